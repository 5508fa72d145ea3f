"""A provider's answer read as its manifest says: JSON, text, a file, or a stream of events. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.executor.providers.files import File

_MEDIA_TYPE_DEFAULT = "application/octet-stream"
EVENTS_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Response:
    """An answer as it came; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def media_type(self) -> str:
        """Without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class UnreadableError(Exception):
    """An answer that is not what its manifest says it is; the text says how."""


def body_of(response: Response, read: str) -> Any:
    """The body, as `read` says: what JSON holds, text, a File, or a list of what each event holds.

    An error is read as JSON if it can be, whatever a good answer would be. Raises UnreadableError.
    """
    if response.status >= 400:
        try:
            return json.loads(response.content)
        except ValueError:
            return response.content[:2_000].decode(errors="replace")
    match read:
        case "binary":
            if response.media_type == "application/json":
                return _json(response.content)
            return File(response.content, response.media_type or _MEDIA_TYPE_DEFAULT, "file")
        case "text":
            return response.content.decode(errors="replace")
        case "sse":
            return list(_events(response.content.decode(errors="replace")))
        case "ndjson":
            lines = response.content.decode(errors="replace").splitlines()
            return [_json(line.encode()) for line in lines if line.strip()][:EVENTS_MAX]
        case _:
            return _json(response.content)


def _json(content: bytes) -> Any:
    if not content.strip():
        return None
    try:
        return json.loads(content)
    except ValueError as error:
        raise UnreadableError(f"the answer is no JSON ({len(content)} bytes)") from error


def _events(text: str) -> Any:
    """Of a text/event-stream: the JSON of each event's data, its name as `event` where it has one of its own."""
    name, data, count = "", [], 0
    for line in (*text.splitlines(), ""):
        if line:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                name = value
            elif field == "data":
                data.append(value)
            continue
        joined = "\n".join(data)
        if joined and joined != "[DONE]":
            count += 1
            if count > EVENTS_MAX:
                raise UnreadableError(f"the answer has more than {EVENTS_MAX} events")
            event = _json(joined.encode())
            if name and isinstance(event, dict):
                event.setdefault("event", name)
            yield event
        name, data = "", []
