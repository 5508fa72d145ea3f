"""Files that are too large for JSON: taken in and handed out piece by piece, kept for a time, and then deleted.

The content goes to the object store, what is known of it to the database. The row comes first and goes last, so a crash
between any two steps leaves at most what the next sweep finds. Files of outputs are the executor's (output_files.py);
who asks for a file need not know which it is.
"""

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator

from services.gateway import media_types, output_files
from services.gateway.bodies import timely, too_large
from services.gateway.file_rows import UPLOAD_SECONDS, File, FileRows
from services.gateway.output_files import OutputFiles
from services.runtime import logs
from services.runtime.errors import Refusal, invalid
from services.runtime.objects import ObjectMissingError, Objects

log = logs.get("files")

UPLOADS_MAX = 32
UPLOADS_OF_ACCOUNT_MAX = 8
SWEEP_FILES = 100
NAME_CHARACTERS_MAX = 255
_BESIDE_OTHERS = "the file beside this account's others"
_ID = re.compile(r"file_[a-z2-7]{26}", re.ASCII)


class Files:
    """One a process; `sweep` is to be called again and again."""

    def __init__(self, rows: FileRows, objects: Objects, outputs: OutputFiles, file_bytes_max: int) -> None:
        self._rows = rows
        self._objects = objects
        self._outputs = outputs
        self._file_bytes_max = file_bytes_max
        self._under_way: Counter[str] = Counter()

    async def take(
        self,
        account_id: str,
        media_type: str,
        name: str,
        chunks: AsyncIterator[bytes],
        declared_bytes: int | None = None,
    ) -> File:
        """Stores a file as its chunks come; `declared_bytes` are how many there will be, where that is known.

        Raises REQUEST_INVALID for a media type or name that is none, INPUT_TOO_LARGE as soon as it is too large,
        RATE_LIMITED where too many uploads are under way, UPSTREAM_UNAVAILABLE while it cannot be stored; then nothing
        is left of it, and whatever `chunks` raises.
        """
        known = media_types.read(media_type)
        if known is None:
            raise invalid("media_type", media_types.WANTED)
        if len(name) > NAME_CHARACTERS_MAX or not name.isprintable():
            raise invalid("name", f"must be at most {NAME_CHARACTERS_MAX} printable characters")
        with self._one_more(account_id):
            limit, what = min((self._file_bytes_max, "the file"), (await self._rows.room(account_id), _BESIDE_OTHERS))
            if declared_bytes is not None and declared_bytes > limit:
                raise too_large(what, limit, declared_bytes)
            file_id = await self._rows.begin(account_id, known, name)
            try:
                return await self._store(account_id, file_id, _bounded(chunks, limit, what))
            except BaseException:
                await self._give_up(file_id)
                raise

    async def get(self, account_id: str, file_id: str) -> File:
        """A file of an account; raises FILE_NOT_FOUND."""
        return (await self.refer(account_id, [file_id]))[file_id]

    async def refer(self, account_id: str, file_ids: Collection[str], keep: bool = False) -> dict[str, File]:
        """An account's files by id; `keep`: and they stay at least as long from now as when they were new.

        Raises FILE_NOT_FOUND for the first that is not there, be it another account's, expired, or none at all.
        """
        known = [file_id for file_id in file_ids if _ID.fullmatch(file_id)]
        found = await (self._rows.keep if keep else self._rows.find)(account_id, known) if known else {}
        if made := [file_id for file_id in file_ids if output_files.is_id(file_id)]:
            found |= await self._outputs.find(account_id, made, keep)
        for file_id in file_ids:
            if file_id not in found:
                raise _not_found(file_id)
        return found

    async def read(self, file: File) -> AsyncIterator[bytes]:
        """The content; its first piece is read before this returns. Raises FILE_NOT_FOUND where it was lost."""
        if output_files.is_id(file.file_id):
            return await self._outputs.read(file)
        pieces = self._objects.read(file.file_id, file.size_bytes)
        try:
            first = await anext(pieces, b"")
        except ObjectMissingError as error:
            log.error("file_lost", file_id=file.file_id, error=str(error))
            raise Refusal("FILE_NOT_FOUND", "the content of this file was lost", {"file_id": file.file_id}) from error
        return _chain(first, pieces)

    async def delete(self, account_id: str, file_id: str) -> None:
        """Deletes a file of an account, whatever still needs it; raises FILE_NOT_FOUND."""
        if output_files.is_id(file_id):
            await self._outputs.delete(account_id, file_id)
            return
        if not await self._rows.delete(account_id, file_id):
            raise _not_found(file_id)
        await self._clear(file_id)

    async def sweep(self) -> int:
        """Deletes up to a hundred files whose time is over, and what is left of uploads; answers how many."""
        expired = await self._rows.expire(SWEEP_FILES)
        for file_id in expired:
            try:
                await self._objects.delete(file_id)
                await self._rows.remove([file_id])
            except Refusal as refusal:
                log.warning("sweep_waits", reason=refusal.message)
                return 0
        return len(expired)

    async def _store(self, account_id: str, file_id: str, chunks: AsyncIterator[bytes]) -> File:
        late = Refusal("REQUEST_INVALID", f"the file did not arrive within {UPLOAD_SECONDS} seconds")
        try:
            async with asyncio.timeout(UPLOAD_SECONDS):
                stored = await self._objects.put(file_id, chunks)
                file = await self._rows.finish(account_id, file_id, stored)
        except TimeoutError:
            raise late from None
        if file is None:
            raise late
        return file

    async def _give_up(self, file_id: str) -> None:
        """Leaves nothing of an upload that failed, now or at the next sweep. The row says so first: as long as somebody
        may find the file, its content stays."""
        try:
            await self._rows.give_up(file_id)
        except Refusal as refusal:
            log.warning("upload_left_to_sweep", file_id=file_id, reason=refusal.message)
        else:
            await self._clear(file_id)

    async def _clear(self, file_id: str) -> None:
        """Deletes the content of a file that nobody finds any more, or leaves that to the next sweep."""
        try:
            await self._objects.delete(file_id)
            await self._rows.remove([file_id])
        except Refusal as refusal:
            log.warning("file_left_to_sweep", file_id=file_id, reason=refusal.message)

    @contextlib.contextmanager
    def _one_more(self, account_id: str) -> Iterator[None]:
        for what, count, limit in (
            ("this account's", self._under_way[account_id], UPLOADS_OF_ACCOUNT_MAX),
            ("all accounts'", self._under_way.total(), UPLOADS_MAX),
        ):
            if count >= limit:
                raise Refusal(
                    "RATE_LIMITED",
                    f"{what} uploads under way here are {limit}, which is the limit; try again shortly",
                    {"limit": limit, "retry_after_seconds": 1},
                )
        self._under_way[account_id] += 1
        try:
            yield
        finally:
            self._under_way[account_id] -= 1
            # Removes accounts that have none.
            self._under_way += Counter()


def _not_found(file_id: str) -> Refusal:
    told = file_id[:64]
    return Refusal("FILE_NOT_FOUND", f"there is no file {told!r}, or no longer", {"file_id": told})


async def _bounded(chunks: AsyncIterator[bytes], limit: int, what: str) -> AsyncIterator[bytes]:
    """The chunks, as long as they come and are not too many."""
    size = 0
    async for chunk in timely(chunks):
        size += len(chunk)
        if size > limit:
            raise too_large(what, limit, size)
        yield chunk


async def _chain(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for piece in pieces:
        yield piece
