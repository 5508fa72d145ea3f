"""Objects: contents too large for a message, in a bucket of JetStream's object store, written and read piece by piece.

An object is written once, under a name that is never used again, so nothing here compares or locks. Its pieces lie on a
subject of their own; the message about it is written last and in the form that other clients of the store read too.
"""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

from nats.js.api import Header
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from services.runtime import clock, logs
from services.runtime.broker import OUTAGES, Broker
from services.runtime.errors import unavailable
from services.runtime.topology import object_stream

log = logs.get("objects")

PIECE_BYTES = 256 * 1024
# A replica of the stream that answers may be a moment behind the one that took the last piece.
LOOKS_MAX = 4
LOOK_AGAIN_SECONDS = 0.25


class ObjectMissingError(Exception):
    """There is no such object, or not all of it."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What was written: bytes, and their SHA-256 in hex."""

    size_bytes: int
    digest: str


class Objects:
    """One bucket. Methods raise UPSTREAM_UNAVAILABLE while NATS does not answer."""

    def __init__(self, broker: Broker, bucket: str) -> None:
        self._broker = broker
        self._bucket = bucket
        self._stream = object_stream(bucket)

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> Stored:
        """Writes an object; of one that could not be written whole pieces may be left, for `delete`."""
        content = hashlib.sha256()
        size = pieces = 0
        async for piece in _pieces(chunks):
            content.update(piece)
            await self._publish(self._pieces_of(name), piece)
            size += len(piece)
            pieces += 1
        about = {
            "name": name,
            "bucket": self._bucket,
            "nuid": name,
            "size": size,
            "chunks": pieces,
            "mtime": clock.now().isoformat(),
            "digest": f"SHA-256={base64.urlsafe_b64encode(content.digest()).decode()}",
            "options": {"max_chunk_size": PIECE_BYTES},
        }
        await self._publish(self._about(name), json.dumps(about).encode(), {Header.ROLLUP: "sub"})
        return Stored(size, content.hexdigest())

    async def read(self, name: str, size_bytes: int) -> AsyncIterator[bytes]:
        """The content of an object of so many bytes; raises ObjectMissingError where it is not there whole."""
        sequence = got = 0
        while got < size_bytes:
            piece, sequence = await self._next(name, sequence)
            got += len(piece)
            yield piece

    async def delete(self, name: str) -> None:
        """Removes an object, or what there is of it; nothing is left."""
        try:
            for subject in (self._about(name), self._pieces_of(name)):
                await self._jetstream().purge_stream(self._stream, subject=subject)
        except OUTAGES as error:
            log.warning("object_not_deleted", name=name, error=str(error))
            raise unavailable("nats") from error

    async def _next(self, name: str, after: int) -> tuple[bytes, int]:
        """The first piece of an object after a place in the stream, and its own place."""
        for look in range(LOOKS_MAX):
            await asyncio.sleep(LOOK_AGAIN_SECONDS * look)
            try:
                found = await self._jetstream().get_msg(
                    self._stream, seq=after + 1, subject=self._pieces_of(name), direct=True, next=True
                )
            except NotFoundError:
                continue
            except OUTAGES as error:
                log.warning("object_not_read", name=name, error=str(error))
                raise unavailable("nats") from error
            return found.data or b"", found.seq or 0
        raise ObjectMissingError(f"{name} is not there, or not all of it")

    async def _publish(self, subject: str, content: bytes, headers: dict[str, str] | None = None) -> None:
        try:
            await self._jetstream().publish(subject, content, stream=self._stream, headers=headers)
        except OUTAGES as error:
            log.warning("object_not_written", error=str(error))
            raise unavailable("nats") from error

    def _jetstream(self) -> JetStreamContext:
        jetstream = self._broker.jetstream()
        if jetstream is None:
            raise unavailable("nats")
        return jetstream

    def _pieces_of(self, name: str) -> str:
        return f"$O.{self._bucket}.C.{name}"

    def _about(self, name: str) -> str:
        return f"$O.{self._bucket}.M.{base64.urlsafe_b64encode(name.encode()).decode()}"


async def _pieces(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of one size; the last may be shorter."""
    gathered = bytearray()
    async for chunk in chunks:
        gathered += chunk
        while len(gathered) >= PIECE_BYTES:
            yield bytes(gathered[:PIECE_BYTES])
            del gathered[:PIECE_BYTES]
    if gathered:
        yield bytes(gathered)
