"""Sends requests to providers: httpx with limits on time and size, no redirects, and a look at where it goes."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import replace

import h2.exceptions
import httpx

from services.executor.providers import hosts
from services.executor.providers.decoding import ACCEPTED, Decoder
from services.executor.providers.files import File
from services.executor.providers.requests import Request
from services.executor.providers.responses import Response
from services.executor.providers.sendable import UnsendableError

CONNECT_SECONDS = 10.0
# What one answer may have: the files of an output in base64, and a little around them.
RESPONSE_BYTES_MAX = 44 * 1024 * 1024
CONNECTIONS_MAX = 256
# How long a connection on which something can be asked again may be silent.
READ_SECONDS = 30.0
# What is wrong with a request itself, and never left; of a shared connection these may also say that it broke.
_UNSENDABLE = (httpx.LocalProtocolError, httpx.InvalidURL, UnicodeError)
# httpx lets the latter two of a shared connection that broke under a request through as they are.
_BROKEN = (httpx.HTTPError, h2.exceptions.H2Error, KeyError)
USER_AGENT = "scrip/0.1"


class NotSentError(Exception):
    """The request did not leave: whatever the tool, it may be sent again."""


class NoAnswerError(Exception):
    """The request may have left, and there was no answer: what the provider did is not known."""


class TooLargeError(Exception):
    """The answer has more bytes than are taken."""


class Client:
    """One a process. `bases`: where the operator wants providers called instead, by scheme and host."""

    def __init__(self, bases: Mapping[str, str], transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._bases = dict(bases)
        # A request for work has its connection to itself: one that breaks leaves one call unknown, and an answer may
        # take as long as the call. What can be asked again shares connections, and one that is silent is given up.
        self._asking = _http(transport, httpx.Timeout(None, connect=CONNECT_SECONDS), http2=False)
        self._looking = _http(transport, httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS, pool=None), http2=True)

    async def close(self) -> None:
        """Ends all connections."""
        await self._asking.aclose()
        await self._looking.aclose()

    async def send(self, request: Request) -> Response:
        """The answer to a request for work; raises UnsendableError, NotSentError, NoAnswerError or TooLargeError."""
        async with self.opened(request) as incoming:
            return await incoming.whole()

    async def look(self, request: Request) -> Response:
        """The answer to a request that does nothing twice; raises the same."""
        return await _exchange(self._looking, self._built(self._looking, request))

    def opened(self, request: Request) -> contextlib.AbstractAsyncContextManager["Incoming"]:
        """The answer to a request for work as soon as its head is there; raises UnsendableError, NotSentError,
        NoAnswerError."""
        return _opened(self._asking, self._built(self._asking, request), _UNSENDABLE)

    async def fetch(self, url: str) -> Response:
        """What a URL that a provider gave leads to; the caller checked its host. Raises ForbiddenHostError as well."""
        try:
            request = await self._fetching(url)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise hosts.ForbiddenHostError("the provider gave a URL that is none") from error
        return await _exchange(self._looking, request)

    async def _fetching(self, url: str) -> httpx.Request:
        target, is_elsewhere = hosts.redirected(url, self._bases)
        if is_elsewhere:
            return self._looking.build_request("GET", target)
        host = hosts.host_of(url)
        try:
            address = await hosts.public_address(host)
        except (OSError, TimeoutError) as error:
            raise NotSentError(f"{host} was not found") from error
        # To the address that was looked at, whatever the name stands for a moment later.
        pinned = httpx.URL(url).copy_with(host=address)
        return self._looking.build_request("GET", pinned, headers={"host": host}, extensions={"sni_hostname": host})

    def _built(self, http: httpx.AsyncClient, request: Request) -> httpx.Request:
        """The request as it is sent, to where the operator wants it; raises UnsendableError."""
        try:
            url, _ = hosts.redirected(request.target, self._bases)
            return _request(http, request, url)
        except (httpx.InvalidURL, ValueError) as error:
            raise UnsendableError(type(error).__name__) from error


def _http(transport: httpx.AsyncBaseTransport | None, timeout: httpx.Timeout, *, http2: bool) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=transport,
        follow_redirects=False,
        timeout=timeout,
        limits=httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=64),
        headers={"user-agent": USER_AGENT, "accept-encoding": ACCEPTED},
        trust_env=False,
        http2=http2,
    )


def _request(http: httpx.AsyncClient, request: Request, url: str) -> httpx.Request:
    headers = dict(request.headers)
    if request.parts is None:
        return http.build_request(request.method, url, headers=headers, content=request.content or None)
    # A field without a file name is no file; so even a form without one is sent as multipart.
    files = [
        (name, (value["name"], value.data, value["media_type"]) if isinstance(value, File) else (None, value))
        for name, value in request.parts
    ]
    return http.build_request(request.method, url, headers=headers, files=files)


async def _exchange(http: httpx.AsyncClient, request: httpx.Request) -> Response:
    async with _opened(http, request) as incoming:
        return await incoming.whole()


@contextlib.asynccontextmanager
async def _opened(
    http: httpx.AsyncClient, request: httpx.Request, unsendable: tuple[type[Exception], ...] = ()
) -> AsyncIterator["Incoming"]:
    try:
        response = await http.send(request, stream=True)
    except unsendable as error:
        raise UnsendableError(type(error).__name__) from error
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
        raise NotSentError(f"{request.url.host}: {type(error).__name__}") from error
    except _BROKEN as error:
        raise NoAnswerError(f"{request.url.host}: {type(error).__name__}") from error
    try:
        yield Incoming(response)
    finally:
        await response.aclose()


class Incoming:
    """An answer of which the head has come; its content is read once, in pieces or whole."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.head = Response(response.status_code, {name.lower(): value for name, value in response.headers.items()})

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The content as it comes, decoded; raises NoAnswerError where it is cut, TooLargeError, UnreadableError."""
        size = 0
        decoder = Decoder(self.head.headers.get("content-encoding", ""))
        async with contextlib.aclosing(self._encoded()) as encoded:
            async for part in encoded:
                for piece in decoder.feed(part):
                    size += len(piece)
                    if size > RESPONSE_BYTES_MAX:
                        raise TooLargeError(f"the answer has more than {RESPONSE_BYTES_MAX:,} bytes")
                    yield piece

    async def _encoded(self) -> AsyncGenerator[bytes, None]:
        # Not by httpx's own decoders: they make of a piece all that is in it, before anybody can count.
        stream = self._response.stream
        if not isinstance(stream, httpx.AsyncByteStream):
            raise TypeError("a stream of an asynchronous client")
        try:
            async for part in stream:
                yield part
        except _BROKEN as error:
            raise NoAnswerError(f"{self._response.url.host}: {type(error).__name__}") from error

    async def whole(self) -> Response:
        """All of it; raises as `pieces` does."""
        content = bytearray()
        async for piece in self.pieces():
            content += piece
        return replace(self.head, content=bytes(content))
