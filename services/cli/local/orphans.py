"""Servers left behind by a run that could not take them along, told apart from recycled process ids."""

import os
import signal
import subprocess
import time
from pathlib import Path

from services.cli.local.errors import LocalError
from services.runtime import clock

STEPS = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
POLL_SECONDS = 0.02


def end_orphan(pid_file: Path, marker: str) -> None:
    """End the process that wrote `pid_file` (its id on the first line) and remove a stale file.

    `marker` is text that the process's command line is sure to hold, its data folder: without it the
    number belongs to another program and the process is left alone. Raises LocalError if an orphan
    survives everything.
    """
    pid = read_pid(pid_file)
    if pid is None:
        return
    for number, seconds in STEPS:
        if not runs(pid, marker):
            break
        os.kill(pid, number)
        deadline = clock.monotonic() + seconds
        while runs(pid, marker) and clock.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
    if runs(pid, marker):
        raise LocalError(f"A process of an earlier run (pid {pid}) does not end; end it and try again.")
    pid_file.unlink(missing_ok=True)


def read_pid(pid_file: Path) -> int | None:
    """The number on the file's first line, if it is one."""
    try:
        first, *_ = pid_file.read_text().splitlines() or [""]
        return int(first)
    except (FileNotFoundError, ValueError):
        return None


def runs(pid: int, marker: str) -> bool:
    """Whether this process lives and its command line holds the marker. A zombie does not live."""
    if pid <= 1:
        return False
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        if Path("/proc/self").exists():
            return False
        asked = ["ps", "-p", str(pid), "-o", "command="]
        line = subprocess.run(asked, capture_output=True, text=True, timeout=5, check=False).stdout
    return marker in line
