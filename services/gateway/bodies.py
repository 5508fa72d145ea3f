"""Bodies of requests: read up to a limit, and decoded so that every mistake names its field."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from services.runtime.errors import Refusal, invalid

BODY_BYTES_MAX = 8 * 1024 * 1024
READ_SECONDS = 30.0
# A body over the limit is still taken off the wire up to here, so that the refusal reaches a client that is sending.
_DISCARD_BYTES_MAX = 32 * 1024 * 1024
_AT = re.compile(r" - at `(?P<key>key` in `)?\$\.?(?P<path>[^`]*)`$")
_MEMBER = re.compile(r"field `(?P<name>[^`]*)`")

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
        raise unfit(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Refusal("REQUEST_INVALID", "the body is not a JSON object in UTF-8") from None
    except RecursionError:
        raise Refusal("REQUEST_INVALID", "the body is nested too deeply") from None


def unfit(error: msgspec.ValidationError) -> Refusal:
    """REQUEST_INVALID naming the field that is not as its shape says."""
    message = str(error)
    at = _AT.search(message)
    member = _MEMBER.search(message)
    path = [at.group("path")] if at and at.group("path") else []
    field = ".".join([*path, member.group("name")] if member else path)
    text = _AT.sub("", message).replace("`", "'")
    if at and at.group("key"):
        text = f"{text} as a name"
    text = text[:1].lower() + text[1:]
    return invalid(field, text) if field else Refusal("REQUEST_INVALID", f"the body: {text}")
