"""Files of outputs, as their accounts find, read and delete them."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from services.executor.output_contents import OutputContents
from services.executor.store import output_files
from services.executor.store.output_files import KeptFile
from services.runtime import logs
from services.runtime.errors import Refusal
from services.runtime.objects import ObjectMissingError
from services.runtime.postgres import Pool, outage_refused

log = logs.get("output_files")


class OutputFiles:
    """One a process; `content`: how long contents of jobs are kept. Methods raise UPSTREAM_UNAVAILABLE."""

    def __init__(self, pool: Pool, contents: OutputContents, content: timedelta) -> None:
        self._pool = pool
        self._contents = contents
        self._content = content

    async def find(self, account_id: str, file_ids: Sequence[str], keep: bool = False) -> dict[str, KeptFile]:
        """An account's files that are there, by id; `keep`: and they live for two days at least."""
        async with outage_refused():
            if keep:
                await output_files.keep(self._pool, account_id, file_ids)
            return await output_files.find(self._pool, account_id, file_ids, self._content)

    async def get(self, account_id: str, file_id: str) -> KeptFile:
        """A file of an account; raises FILE_NOT_FOUND."""
        found = await self.find(account_id, [file_id])
        if file_id not in found:
            raise _not_found(file_id)
        return found[file_id]

    async def read(self, file: KeptFile) -> AsyncIterator[bytes]:
        """The content; raises FILE_NOT_FOUND where it was deleted meanwhile, or lost."""
        try:
            async for piece in self._contents.read(file.account_id, file.file_id, file.size_bytes):
                yield piece
        except ObjectMissingError as error:
            log.warning("file_missing", file_id=file.file_id, error=str(error))
            raise _not_found(file.file_id) from error

    async def delete(self, account_id: str, file_id: str) -> None:
        """Lets nobody find the file any more; its content goes soon. Raises FILE_NOT_FOUND."""
        async with outage_refused():
            if not await output_files.give_up(self._pool, account_id, file_id):
                raise _not_found(file_id)


def _not_found(file_id: str) -> Refusal:
    told = file_id[:64]
    return Refusal("FILE_NOT_FOUND", f"there is no file {told!r}, or no longer", {"file_id": told})
