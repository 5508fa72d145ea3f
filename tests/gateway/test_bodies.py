"""Bodies of requests."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from services.gateway import bodies, ledger_shapes, shapes
from services.runtime.errors import Refusal

EXECUTE = msgspec.json.Decoder(shapes.ExecuteBody)
GRANT = msgspec.json.Decoder(ledger_shapes.GrantBody)


@pytest.mark.parametrize(
    ("decoder", "body", "field"),
    [
        (EXECUTE, b'{"input": {}, "extra": 1}', "extra"),
        (EXECUTE, b"{}", "input"),
        (EXECUTE, b'{"input": {}, "quote_id": 5}', "quote_id"),
        (EXECUTE, b'{"input": {}, "reference": null}', "reference"),
        (EXECUTE, b'{"input": {}, "reference": "a\\u0000b"}', "reference"),
        (EXECUTE, b'{"input": {}, "labels": {"a": 1}}', "labels[...]"),
        (EXECUTE, b'{"input": {}, "labels": {"": "x"}}', "labels"),
        (EXECUTE, b'{"input": {}, "labels": [1]}', "labels"),
        (GRANT, b'{"credits": 5, "source": "plan"}', "credits"),
        (GRANT, b'{"credits": "5", "source": "refund"}', "source"),
        (GRANT, b'{"credits": "5", "source": "plan", "priority": 256}', "priority"),
        (GRANT, b'{"credits": "5", "source": "plan", "expires_at": "2031-01-01T00:00:00"}', "expires_at"),
        (GRANT, b'{"credits": "5", "source": "plan", "paid": {"amount_micros": 1, "x": 1}}', "paid.x"),
    ],
)
def test_a_mistake_names_its_field(decoder: Any, body: bytes, field: str) -> None:
    """A body of the wrong shape is REQUEST_INVALID and names the field at fault."""
    with pytest.raises(Refusal) as refused:
        bodies.decode(decoder, body)
    assert refused.value.reason == "REQUEST_INVALID"
    assert refused.value.metadata["field"] == field


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"input": {"a": NaN}}', b'{"input": {}}x'),
        b'{"input": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"input": {}, "reference": "\xff"}',
        b'{"input": {}, "reference": "\\ud800"}',
    ],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    """A body that is no JSON object in UTF-8, or is nested without end, is REQUEST_INVALID."""
    with pytest.raises(Refusal) as refused:
        bodies.decode(EXECUTE, body)
    assert refused.value.reason == "REQUEST_INVALID"


class Sender:
    """An ASGI `receive` that gives chunks, then says that the client went."""

    def __init__(self, chunks: Sequence[bytes], complete: bool = True) -> None:
        self.messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
        if complete:
            self.messages[-1]["more_body"] = False

    async def __call__(self) -> dict[str, Any]:
        return self.messages.pop(0) if self.messages else {"type": "http.disconnect"}


async def test_a_body_is_read_whole() -> None:
    """Chunks arrive as one body."""
    assert await bodies.read(Sender([b"ab", b"", b"cd"])) == b"abcd"


async def test_a_body_over_the_limit_is_refused_with_both_numbers() -> None:
    """More than 8 MiB are INPUT_TOO_LARGE, after they were taken off the wire."""
    sender = Sender([bytes(1024 * 1024)] * 9)
    with pytest.raises(Refusal) as refused:
        await bodies.read(sender)
    assert refused.value.reason == "INPUT_TOO_LARGE"
    assert refused.value.metadata["limit"] == str(8 * 1024 * 1024)
    assert refused.value.metadata["actual"] == str(9 * 1024 * 1024)
    assert not sender.messages


async def test_a_body_that_breaks_off_is_refused() -> None:
    """A client that goes away while it sends has asked nothing."""
    with pytest.raises(Refusal) as refused:
        await bodies.read(Sender([b'{"input"'], complete=False))
    assert refused.value.reason == "REQUEST_INVALID"
