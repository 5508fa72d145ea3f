"""A provider's answer read as its manifest says: JSON, text, a file, or a stream of events. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.executor.providers.files import File
from services.executor.providers.streams import EventReader, UnreadableError, json_of

_MEDIA_TYPE_DEFAULT = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Streamed:
    """A stream of events that was read as it came: what each event holds, and the text they make."""

    events: list[Any]
    text: str
    stopped: str | None
    """`limit` where it was ended here, because what is reserved was used up."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer as it came; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes = b""
    streamed: Streamed | None = None
    """In the place of the content, where that was read as it came."""

    @property
    def is_success(self) -> bool:
        """Whether its status says so."""
        return 200 <= self.status < 300

    @property
    def media_type(self) -> str:
        """Without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


def body_of(response: Response, read: str) -> Any:
    """The body, as `read` says: what JSON holds, text, a File, or a list of what each event holds.

    An error is read as JSON if it can be, whatever a good answer would be. Raises UnreadableError.
    """
    if not response.is_success:
        try:
            return json_of(response.content)
        except UnreadableError:
            return response.content[:2_000].decode(errors="replace")
    match read:
        case "binary":
            if response.media_type == "application/json":
                return json_of(response.content)
            return File(response.content, response.media_type or _MEDIA_TYPE_DEFAULT, "file")
        case "text":
            return response.content.decode(errors="replace")
        case "sse" | "ndjson":
            if response.streamed is not None:
                return response.streamed.events
            reader = EventReader(read)
            return [*reader.feed(response.content), *reader.end()]
        case _:
            return json_of(response.content)
