"""Streams of events, however their bytes are cut."""

import json
from typing import Any

import pytest

from services.executor.providers import streams
from services.executor.providers.responses import Response, body_of
from services.executor.providers.streams import EventReader, UnreadableError

STREAMS: list[tuple[str, str, bytes, list[Any]]] = [
    ("lines", "sse", b'data: {"a": 1}\n\ndata: {"a": 2}\n\n', [{"a": 1}, {"a": 2}]),
    ("lines of two characters", "sse", b'data: {"a": 1}\r\n\r\ndata: {"a": 2}\r\n\r\n', [{"a": 1}, {"a": 2}]),
    ("lines of an old kind", "sse", b'data: {"a": 1}\r\rdata: {"a": 2}\r\r', [{"a": 1}, {"a": 2}]),
    ("a mark at the beginning", "sse", b'\xef\xbb\xbfdata: {"a": 1}\n\n', [{"a": 1}]),
    ("comments and other fields", "sse", b': hi\nid: 7\nretry: 3\ndata:{"a": 1}\n\n', [{"a": 1}]),
    ("data in several lines", "sse", b'data: {"a":\ndata:  1}\n\n', [{"a": 1}]),
    ("names", "sse", b'event: x\ndata: {"a": 1}\n\ndata: {"b": 2}\n\n', [{"a": 1, "event": "x"}, {"b": 2}]),
    ("a name of its own", "sse", b'event: x\ndata: {"event": "y"}\n\n', [{"event": "y"}]),
    ("a name without data", "sse", b'event: x\n\ndata: {"a": 1}\n\n', [{"a": 1}]),
    ("the usual end", "sse", b'data: {"a": 1}\n\ndata: [DONE]\n\n', [{"a": 1}]),
    ("no empty line at the end", "sse", b'data: {"a": 1}\n\ndata: {"a": 2}', [{"a": 1}, {"a": 2}]),
    ("characters of many bytes", "sse", 'data: "aé€𝄞b"\n\ndata: "𝄞"\n\n'.encode(), ["aé€𝄞b", "𝄞"]),
    ("what texts take for the end of a line", "sse", 'data: "a\u2028b\u0085c"\n\n'.encode(), ["a\u2028b\u0085c"]),
    ("nothing", "sse", b"\n\n: \n\n", []),
    ("JSON by line", "ndjson", b'{"a": 1}\n\n{"a": 2}\r\n{"a": 3}', [{"a": 1}, {"a": 2}, {"a": 3}]),
    ("JSON by line, long characters", "ndjson", '"\u2028𝄞"\n"é"\n'.encode(), ["\u2028𝄞", "é"]),
]
NAMES = [name for name, *_ in STREAMS]


@pytest.mark.parametrize(("read", "content", "expected"), [rest for _, *rest in STREAMS], ids=NAMES)
def test_a_stream_is_the_same_wherever_it_is_cut(read: str, content: bytes, expected: list[Any]) -> None:
    """In two at every byte, and byte by byte."""
    for at in range(len(content) + 1):
        reader = EventReader(read)
        assert [*reader.feed(content[:at]), *reader.feed(content[at:]), *reader.end()] == expected, at
    reader = EventReader(read)
    found = [event for at in range(len(content)) for event in reader.feed(content[at : at + 1])]
    assert [*found, *reader.end()] == expected
    assert body_of(Response(200, {}, content), read) == expected


def test_an_event_is_there_with_its_last_byte() -> None:
    """And not only with the next one."""
    reader = EventReader("sse")
    assert reader.feed(b'data: {"a": 1}\n') == []
    assert reader.feed(b"\n") == [{"a": 1}]


@pytest.mark.parametrize("read", ["sse", "ndjson"])
def test_what_is_no_json_is_unreadable(read: str) -> None:
    """Also half of it."""
    reader = EventReader(read)
    with pytest.raises(UnreadableError, match="no JSON"):
        reader.feed(b'data: {"a"\n\n')


def test_events_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """However small they are."""
    monkeypatch.setattr(streams, "EVENTS_MAX", 3)
    reader = EventReader("ndjson")
    with pytest.raises(UnreadableError, match="more than 3 events"):
        reader.feed(json.dumps(1).encode() + b"\n2\n3\n4\n")
