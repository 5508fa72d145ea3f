"""What files of outputs hold: read piece by piece, from where the content is just then, and moved to where it stays."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

from services.executor.store import output_files
from services.executor.store.output_files import Taken, object_name
from services.runtime import logs
from services.runtime.errors import Refusal, unavailable
from services.runtime.objects import PIECE_BYTES, ObjectMissingError, Objects
from services.runtime.postgres import Pool, outage_refused

log = logs.get("output_contents")

# Whoever has not moved a file by then has not moved it; a while after that another one may take it.
MOVE_SECONDS = 40.0
HOLD = timedelta(seconds=60)


class OutputContents:
    """One a process. Methods raise UPSTREAM_UNAVAILABLE while the database, or the object store, does not answer."""

    def __init__(self, pool: Pool, objects: Objects) -> None:
        self._pool = pool
        self._objects = objects

    async def read(self, account_id: str, file_id: str, size_bytes: int) -> AsyncIterator[bytes]:
        """The content of an account's file; raises ObjectMissingError where it is not there, or not whole."""
        at = 0
        while at < size_bytes:
            async with outage_refused():
                piece = await output_files.piece(self._pool, account_id, file_id, at, PIECE_BYTES)
            if piece is None:
                raise ObjectMissingError(f"{file_id} is not there")
            if piece.data is None:
                # It has moved; what was read before is the same there.
                async for rest in _after(at, self._objects.read(piece.object_name, size_bytes)):
                    yield rest
                return
            yield piece.data
            at += len(piece.data)

    async def waiting(self) -> int:
        """How many files have not moved yet."""
        async with outage_refused():
            return await output_files.waiting(self._pool)

    async def move_one(self) -> bool:
        """Moves one file that waits for it to the object store; False where none waits."""
        async with outage_refused():
            taken = await output_files.take(self._pool, HOLD)
        if taken is None:
            return False
        try:
            is_moved = await self._move(taken)
        except Refusal:
            async with outage_refused():
                await output_files.let_go(self._pool, taken)
            raise
        await self._tidy(taken, is_moved)
        return True

    async def delete_some(self, n: int) -> int:
        """Deletes up to `n` files whose time is over; answers how many."""
        async with outage_refused():
            expired = await output_files.expire(self._pool, n)
        for file_id, takes in expired:
            for take in range(1, takes + 1):
                await self._objects.delete(object_name(file_id, take))
            async with outage_refused():
                await output_files.remove(self._pool, file_id)
        return len(expired)

    async def _move(self, taken: Taken) -> bool:
        """Whether the object of this take is the file now; not where that was deleted or taken by another meanwhile."""
        content = self.read(taken.account_id, taken.file_id, taken.size_bytes)
        try:
            async with asyncio.timeout(MOVE_SECONDS):
                stored = await self._objects.put(object_name(taken.file_id, taken.take), content)
        except TimeoutError:
            raise unavailable("nats") from None
        except ObjectMissingError:
            return False
        async with outage_refused():
            return stored.digest == taken.digest and await output_files.moved(self._pool, taken)

    async def _tidy(self, taken: Taken, is_moved: bool) -> None:
        """Leaves no object but the one that is the file: what earlier takes have begun, or this one."""
        needless = range(1, taken.take) if is_moved else (taken.take,)
        try:
            for take in needless:
                await self._objects.delete(object_name(taken.file_id, take))
        except Refusal:
            log.warning("object_left", file_id=taken.file_id)


async def _after(at: int, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What follows the first `at` bytes."""
    async for piece in pieces:
        if at < len(piece):
            yield piece[at:]
        at = max(at - len(piece), 0)
