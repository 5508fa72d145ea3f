"""Files that hold secrets or are read by other programs: private from the first byte, never half-written."""

import os
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Replace a file's content in one step; only this user can read it (mode 0600).

    The new file is on disk before it takes the old one's name, so a crash leaves one of the two.
    """
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
