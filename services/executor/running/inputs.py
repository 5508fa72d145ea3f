"""Files of inputs that are stored elsewhere: fetched when their job runs, and in memory only as long as it does."""

import asyncio
import contextlib
import hashlib
from collections import deque
from collections.abc import AsyncIterator

from services.executor.output_contents import OutputContents
from services.executor.rules.output_files import is_file_id
from services.executor.store.rows import Claim, StoredFile
from services.runtime import logs
from services.runtime.objects import ObjectMissingError, Objects

log = logs.get("inputs")


class InputGoneError(Exception):
    """A file of the input is not stored any more."""


class Inputs:
    """One a process. `objects` are uploaded files; `bytes_max`: of stored files over all calls at one time."""

    def __init__(self, objects: Objects, outputs: OutputContents, bytes_max: int) -> None:
        self._objects = objects
        self._outputs = outputs
        self._free = bytes_max
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @contextlib.asynccontextmanager
    async def room(self, claim: Claim) -> AsyncIterator[None]:
        """Waits, in turn, until there is memory for the job's stored files, and keeps it free for them meanwhile."""
        size = sum(file.size_bytes for file in claim.stored.values())
        if size:
            await self._take(size)
        try:
            yield
        finally:
            for name in claim.stored:
                claim.files.pop(name, None)
            self._give_back(size)

    async def fetch(self, claim: Claim) -> None:
        """Puts the content of each stored file with the others; raises InputGoneError, UPSTREAM_UNAVAILABLE."""
        for name, file in claim.stored.items():
            if is_file_id(file.file_id):
                pieces = self._outputs.read(claim.job.account_id, file.file_id, file.size_bytes)
            else:
                pieces = self._objects.read(file.file_id, file.size_bytes)
            claim.files[name] = await self._content(file, pieces)

    async def _content(self, file: StoredFile, pieces: AsyncIterator[bytes]) -> bytes:
        digest = hashlib.sha256()
        content = bytearray()
        try:
            async for piece in pieces:
                digest.update(piece)
                content += piece
        except ObjectMissingError as error:
            raise InputGoneError(str(error)) from error
        if digest.hexdigest() != file.digest:
            log.error("file_is_another", file_id=file.file_id)
            raise InputGoneError(f"{file.file_id} is not what it was")
        return bytes(content)

    async def _take(self, size: int) -> None:
        if not self._waiting and size <= self._free:
            self._free -= size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back(size)
            raise

    def _give_back(self, size: int) -> None:
        self._free += size
        while self._waiting and (self._waiting[0][1].cancelled() or self._waiting[0][0] <= self._free):
            wanted, turn = self._waiting.popleft()
            if not turn.cancelled():
                self._free -= wanted
                turn.set_result(None)
