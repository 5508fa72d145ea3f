"""Bodies of requests: read up to a limit, and decoded so that every mistake names its field."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

import msgspec

from services.gateway.misfits import unfit
from services.runtime.errors import Refusal

BODY_BYTES_MAX = 8 * 1024 * 1024
READ_SECONDS = 30.0
# A body over the limit is still taken off the wire up to here, so that the refusal reaches a client that is sending.
_DISCARD_BYTES_MAX = 32 * 1024 * 1024
_LENGTH_CHARACTERS_MAX = 19
_BYTE = re.compile(r"\(byte (\d+)\)")

Receive = Callable[[], Awaitable[Any]]
T = TypeVar("T")


async def read(receive: Receive) -> bytes:
    """The whole body; raises INPUT_TOO_LARGE beyond 8 MiB, REQUEST_INVALID when the client stops sending."""
    chunks: list[bytes] = []
    size = 0
    more = True
    try:
        async with asyncio.timeout(READ_SECONDS):
            while more and size <= _DISCARD_BYTES_MAX:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refusal("REQUEST_INVALID", "the body ended before it was complete")
                chunk = message.get("body", b"")
                more = message.get("more_body", False)
                size += len(chunk)
                if size > BODY_BYTES_MAX:
                    chunks.clear()
                else:
                    chunks.append(chunk)
    except TimeoutError:
        raise Refusal("REQUEST_INVALID", f"the body did not arrive within {READ_SECONDS:g} seconds") from None
    if size > BODY_BYTES_MAX:
        raise too_large("the request's body", BODY_BYTES_MAX, size)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def chunks(receive: Receive) -> AsyncIterator[bytes]:
    """The body as it comes; raises REQUEST_INVALID when the client hangs up."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal("REQUEST_INVALID", "the body ended before it was complete")
        more = message.get("more_body", False)
        yield message.get("body", b"")


async def timely(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The chunks; raises REQUEST_INVALID where the next one does not come in time."""
    while True:
        try:
            async with asyncio.timeout(READ_SECONDS):
                chunk = await anext(chunks, None)
        except TimeoutError:
            raise Refusal("REQUEST_INVALID", f"nothing more arrived within {READ_SECONDS:g} seconds") from None
        if chunk is None:
            return
        yield chunk


def declared_bytes(headers: Mapping[str, str]) -> int | None:
    """What Content-Length says, where it says something."""
    text = headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < _LENGTH_CHARACTERS_MAX else None


def too_large(what: str, limit: int, actual: int) -> Refusal:
    """INPUT_TOO_LARGE with both numbers, in bytes."""
    return Refusal(
        "INPUT_TOO_LARGE",
        f"{what} has {actual} bytes, at most {limit} are taken",
        {"limit": limit, "actual": actual, "unit": "byte"},
    )


def decode(decoder: "msgspec.json.Decoder[T]", body: bytes) -> T:
    """The body as what `decoder` expects; raises REQUEST_INVALID naming the field at fault."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise unfit(error, decoder.type) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        at = _BYTE.search(str(error))
        where = f": see byte {at[1]}" if at else ": it ends too early" if body else ": it is empty"
        raise Refusal("REQUEST_INVALID", f"the body is not a JSON object in UTF-8{where}") from None
    except RecursionError:
        raise Refusal("REQUEST_INVALID", "the body is nested too deeply") from None
