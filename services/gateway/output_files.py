"""Files of outputs, which the executor has: asked of it, and handed out as files that were uploaded are."""

import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import UTC

from scrip.executor.v1 import executor_pb2

from services.gateway.file_rows import File
from services.gateway.peers import Executor

ASK_SECONDS = 5.0
# Of one download: after that the caller has to ask again.
READ_SECONDS = 600.0
_ID = re.compile(r"out_[a-z2-7]{26}", re.ASCII)


def is_id(text: str) -> bool:
    """Whether it may be the id of an output's file."""
    return _ID.fullmatch(text) is not None


class OutputFiles:
    """One a process. Methods raise UPSTREAM_UNAVAILABLE while the executor does not answer."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def find(self, account_id: str, file_ids: Sequence[str], keep: bool = False) -> dict[str, File]:
        """An account's files that are there, by id; `keep`: and they live for two days at least."""
        request = executor_pb2.GetFilesRequest(account_id=account_id, file_ids=file_ids, keep=keep)
        response = await self._executor.peer.call(self._executor.stub.GetFiles, request, ASK_SECONDS)
        return {file.file_id: _file(file) for file in response.files}

    async def read(self, file: File) -> AsyncIterator[bytes]:
        """The content; its first piece is read before this returns. Raises FILE_NOT_FOUND where the file is gone."""
        request = executor_pb2.ReadFileRequest(account_id=file.account_id, file_id=file.file_id)
        messages = self._executor.peer.stream(self._executor.stub.ReadFile, request, READ_SECONDS)
        # It says what the file is, which is known.
        await anext(messages)
        first = await anext(messages, None)
        return _data(first, messages)

    async def delete(self, account_id: str, file_id: str) -> None:
        """Lets nobody find a file any more; raises FILE_NOT_FOUND."""
        request = executor_pb2.DeleteFileRequest(account_id=account_id, file_id=file_id)
        # Tried again, what was done would be told as not found.
        await self._executor.peer.call(self._executor.stub.DeleteFile, request, ASK_SECONDS, attempts=1)


def _file(message: executor_pb2.OutputFile) -> File:
    return File(
        file_id=message.file_id,
        account_id=message.account_id,
        media_type=message.media_type,
        name=message.name,
        size_bytes=message.size_bytes,
        digest=message.digest,
        created_at=message.created_at.ToDatetime(tzinfo=UTC),
        expires_at=message.expires_at.ToDatetime(tzinfo=UTC),
    )


async def _data(
    first: executor_pb2.ReadFileResponse | None, messages: AsyncGenerator[executor_pb2.ReadFileResponse, None]
) -> AsyncIterator[bytes]:
    async with contextlib.aclosing(messages):
        if first is not None:
            yield first.data
        async for message in messages:
            yield message.data
