"""One run per data folder: a lock that the kernel takes back when its holder is gone, however it went."""

import fcntl
import os
from pathlib import Path
from typing import IO, Self

from services.cli.local.errors import LocalError


class FolderLock:
    """A context manager; on entry raises LocalError if another process holds the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        path = self._folder / "lock"
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = file.read().strip() or "unknown"
            file.close()
            raise LocalError(
                f"Scrip already runs in {self._folder} (pid {holder}); stop it or choose another --data-dir."
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
