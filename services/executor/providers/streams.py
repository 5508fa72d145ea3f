"""Streams of events read as they come: text/event-stream, or JSON by line. Pure.

Lines are looked for among bytes: neither of their ends is part of a longer UTF-8 sequence, and what a reader of texts
takes for the end of a line may stand in a JSON string.
"""

import re
from collections.abc import Iterable
from typing import Any

from services.runtime import strict_json

EVENTS_MAX = 100_000
# Objects and arrays of one answer; each takes some thirty times the memory that its text does.
CONTAINERS_MAX = 500_000
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"
_DONE = b"[DONE]"


class UnreadableError(Exception):
    """An answer that is not what its manifest says it is; the text says how."""


def json_of(content: bytes) -> Any:
    """What JSON holds, None for nothing; raises UnreadableError."""
    if not content.strip():
        return None
    if content.count(b"{") + content.count(b"[") > CONTAINERS_MAX:
        raise UnreadableError(f"the answer has more than {CONTAINERS_MAX:,} objects and arrays")
    try:
        return strict_json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"the answer is no JSON ({len(content)} bytes)") from error


class EventReader:
    """What each event of a stream holds, however its bytes are cut: `read` is sse or ndjson.

    Of a text/event-stream that is the JSON of the event's data, its name as `event` where it has no such member.
    """

    def __init__(self, read: str) -> None:
        self._line_of = self._sse if read == "sse" else self._ndjson
        self._begun = bytearray()
        self._after_cr = False
        self._is_first = True
        self._name = ""
        self._data: list[bytes] = []
        self._count = 0

    def feed(self, content: bytes) -> list[Any]:
        """The events that these bytes end; raises UnreadableError."""
        if not content:
            return []
        if self._after_cr and content.startswith(b"\n"):
            # The other half of a line end.
            content = content[1:]
            self._after_cr = False
            return self.feed(content)
        self._after_cr = content.endswith(b"\r")
        first, *others = _LINE_END.split(content)
        self._begun += first
        if not others:
            return []
        lines = [bytes(self._begun), *others[:-1]]
        self._begun = bytearray(others[-1])
        return self._events(lines)

    def end(self) -> list[Any]:
        """The event that the end of the answer ends; raises UnreadableError."""
        last, self._begun = bytes(self._begun), bytearray()
        return self._events([last, b""])

    def _events(self, lines: Iterable[bytes]) -> list[Any]:
        found = []
        for line in lines:
            content = self._line_of(line.removeprefix(_BOM) if self._is_first else line)
            self._is_first = False
            if content and content != _DONE:
                found.append(self._event(content))
        return found

    def _event(self, content: bytes) -> Any:
        self._count += 1
        if self._count > EVENTS_MAX:
            raise UnreadableError(f"the answer has more than {EVENTS_MAX} events")
        event = json_of(content)
        name, self._name = self._name, ""
        if name and isinstance(event, dict):
            event.setdefault("event", name)
        return event

    def _ndjson(self, line: bytes) -> bytes:
        return line.strip()

    def _sse(self, line: bytes) -> bytes:
        """The data of the event that this line ends, nothing for any other line."""
        if line:
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"event":
                self._name = value.decode(errors="replace")
            elif field == b"data":
                self._data.append(value)
            return b""
        content, self._data = b"\n".join(self._data), []
        if not content or content == _DONE:
            self._name = ""
        return content
