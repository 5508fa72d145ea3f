"""multipart/form-data bodies (RFC 7578), read part by part as they come."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from services.gateway.bodies import timely
from services.runtime.errors import Refusal

MEDIA_TYPE = "multipart/form-data"
PARTS_MAX = 64


@dataclass(frozen=True, slots=True)
class Part:
    """One part; `content` is read before the next part is asked for."""

    name: str
    file_name: str
    media_type: str
    is_file: bool
    content: AsyncIterator[bytes]


class Form:
    """The parts of one body."""

    def __init__(self, content_type: str, chunks: AsyncIterator[bytes]) -> None:
        boundary = parse_options_header(content_type)[1].get("boundary", "")
        try:
            self._parser = PushMultipartParser(boundary, max_segment_count=PARTS_MAX)
        except MultipartError as error:
            raise _malformed(error) from error
        self._events = self._read(timely(chunks))

    async def parts(self) -> AsyncIterator[Part]:
        """Each part in its turn; raises REQUEST_INVALID where the body is malformed."""
        async for event in self._events:
            if isinstance(event, MultipartSegment):
                is_file = event.filename is not None
                yield Part(event.name, event.filename or "", event.content_type or "", is_file, self._content())

    async def _content(self) -> AsyncIterator[bytes]:
        async for event in self._events:
            if not isinstance(event, bytes | bytearray):
                return
            yield bytes(event)

    async def _read(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[MultipartSegment | bytes | bytearray | None]:
        try:
            async for chunk in chunks:
                # Nothing would mean the end.
                for event in self._parser.parse(chunk) if chunk else ():
                    yield event
            self._parser.close()
        except MultipartError as error:
            raise _malformed(error) from error


def _malformed(error: MultipartError) -> Refusal:
    return Refusal("REQUEST_INVALID", f"the body is not {MEDIA_TYPE}: {error}")
