"""Requests over real sockets, to a provider on this machine."""

import email
import gzip
import json
import socket
import tracemalloc
import zlib
from collections.abc import AsyncIterator

import pytest

from services.executor.providers import client as clients
from services.executor.providers.client import Client, NoAnswerError, NotSentError, TooLargeError
from services.executor.providers.files import File
from services.executor.providers.hosts import ForbiddenHostError
from services.executor.providers.requests import Request
from services.executor.providers.streams import UnreadableError
from tests.executor.providers.double import Answer, Double, provider

BASE = "https://api.example.com"


@pytest.fixture
async def ask() -> AsyncIterator[object]:
    """Sends a request to a provider that was told what to answer."""
    opened: list[Client] = []

    async def send(double: Double, request: Request) -> object:
        client = Client({BASE: double.url})
        opened.append(client)
        return await client.send(request)

    yield send
    for client in opened:
        await client.close()


def post(**fields: object) -> Request:
    """A request to the provider."""
    return Request("POST", f"{BASE}/v1/work", **({"headers": {"authorization": "Bearer k"}} | fields))  # type: ignore[arg-type]


async def test_json_goes_as_it_was_rendered(ask: object) -> None:
    """Headers, query and bytes."""
    with provider(lambda asked: Answer(headers={"X-Request-Id": "r1"}, body=b'{"a": 1}')) as double:
        request = post(
            headers={"authorization": "Bearer k", "content-type": "application/json"},
            query=(("a b", "ü&"), ("c", "1")),
            content=b'{"text":"hi"}',
        )
        response = await ask(double, request)  # type: ignore[operator]
    (asked,) = double.asked
    assert (asked.method, asked.path) == ("POST", "/v1/work?a%20b=%C3%BC%26&c=1")
    assert asked.headers["authorization"] == "Bearer k"
    assert asked.headers["content-type"] == "application/json"
    assert json.loads(asked.body) == {"text": "hi"}
    assert (response.status, response.headers["x-request-id"], response.content) == (200, "r1", b'{"a": 1}')


@pytest.mark.parametrize("with_file", [True, False], ids=["with a file", "fields alone"])
async def test_a_form_goes_as_multipart(ask: object, with_file: bool) -> None:
    """Also where it has no file."""
    parts: tuple[tuple[str, str | File], ...] = (("prompt", "a cat"), ("tag", "x"), ("tag", "y"))
    if with_file:
        parts = (*parts, ("image", File(b"\x89PNG", "image/png", "image")))
    with provider(lambda asked: Answer()) as double:
        await ask(double, post(parts=parts))  # type: ignore[operator]
    (asked,) = double.asked
    message = email.message_from_bytes(
        b"content-type: " + asked.headers["content-type"].encode() + b"\n\n" + asked.body
    )
    found = [
        (part.get_param("name", header="content-disposition"), part.get_filename(), part.get_payload(decode=True))
        for part in message.get_payload()  # type: ignore[union-attr]
    ]
    assert found[:3] == [("prompt", None, b"a cat"), ("tag", None, b"x"), ("tag", None, b"y")]
    assert found[3:] == ([("image", "image", b"\x89PNG")] if with_file else [])


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_packed_answer_is_unpacked(ask: object, encoding: str) -> None:
    """Piece by piece."""
    content = json.dumps({"text": "semaphore " * 50_000}).encode()
    packed = gzip.compress(content) if encoding == "gzip" else zlib.compress(content)
    with provider(lambda asked: Answer(headers={"content-encoding": encoding}, body=packed)) as double:
        response = await ask(double, post())  # type: ignore[operator]
    assert double.asked[0].headers["accept-encoding"] == "gzip"
    assert response.content == content


async def test_a_small_answer_does_not_become_a_large_one(ask: object) -> None:
    """A gigabyte of nothing is a megabyte on the way; it is left after what an answer may have."""
    packed = zlib.compressobj(9, zlib.DEFLATED, 31)
    nothing = bytes(1024 * 1024)
    bomb = b"".join(packed.compress(nothing) for _ in range(1024)) + packed.flush()
    with provider(lambda asked: Answer(headers={"content-encoding": "gzip"}, body=bomb)) as double:
        tracemalloc.start()
        try:
            with pytest.raises(TooLargeError, match="more than 46,137,344 bytes"):
                await ask(double, post())  # type: ignore[operator]
            assert tracemalloc.get_traced_memory()[1] < 100 * 1024 * 1024
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize(
    ("encoding", "body", "message"),
    [("zstd", b"x", "in a way that was not asked for"), ("gzip", b"no gzip", "not encoded as it says")],
)
async def test_what_cannot_be_unpacked_is_unreadable(ask: object, encoding: str, body: bytes, message: str) -> None:
    """Nor is anything tried that was not asked for."""
    answer = Answer(headers={"content-encoding": encoding}, body=body)
    with provider(lambda asked: answer) as double, pytest.raises(UnreadableError, match=message):
        await ask(double, post())  # type: ignore[operator]


async def test_a_redirect_is_an_answer_and_is_not_followed(ask: object) -> None:
    """The secret would go with it."""
    with provider(lambda asked: Answer(status=302, headers={"location": "https://evil.example.org/"})) as double:
        response = await ask(double, post())  # type: ignore[operator]
    assert response.status == 302
    assert len(double.asked) == 1


async def test_where_nobody_listens_nothing_was_sent(ask: object) -> None:
    """It may be sent again, whatever it is."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(NotSentError):
        await ask(Double(url), post())  # type: ignore[operator]


@pytest.mark.parametrize("answer", [None, Answer(body=b"x" * 100, cut=10)], ids=["hung up", "cut short"])
async def test_without_a_whole_answer_nobody_knows(ask: object, answer: Answer | None) -> None:
    """The work may have been done."""
    with provider(lambda asked: answer) as double, pytest.raises(NoAnswerError):
        await ask(double, post())  # type: ignore[operator]
    assert len(double.asked) == 1


async def test_an_answer_is_read_no_further_than_its_limit(ask: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much the provider says."""
    monkeypatch.setattr(clients, "RESPONSE_BYTES_MAX", 1_000)
    with provider(lambda asked: Answer(body=bytes(1_001))) as double, pytest.raises(TooLargeError, match="1,000 bytes"):
        await ask(double, post())  # type: ignore[operator]


@pytest.mark.parametrize("url", ["https://localhost/latest/meta-data", "https://127.0.0.1/", "https://[::1]/x"])
async def test_a_file_is_never_fetched_from_here(url: str) -> None:
    """Whoever names it."""
    client = Client({})
    with pytest.raises(ForbiddenHostError, match="not a public address"):
        await client.fetch(url)
    await client.close()


async def test_a_file_is_fetched_where_the_operator_wants(ask: object) -> None:
    """A proxy may be at a private address: the operator said so."""
    with provider(lambda asked: Answer(headers={"content-type": "image/png"}, body=b"PNG")) as double:
        client = Client({"https://files.example.com": double.url})
        response = await client.fetch("https://files.example.com/a/b.png?sig=1")
        await client.close()
    assert (response.media_type, response.content) == ("image/png", b"PNG")
    assert double.asked[0].path == "/a/b.png?sig=1"
    assert "authorization" not in double.asked[0].headers
