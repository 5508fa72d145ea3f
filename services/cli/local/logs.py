"""What children print: kept in full in a rotated file, the last lines in memory, what matters echoed."""

import re
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import IO

TAIL_LINES = 50
TAIL_LINE_CHARS = 2_000
PARTIAL_BYTES_MAX = 64 * 1024
FILE_BYTES_MAX = 10 * 1024 * 1024
LEVEL_WITHIN_CHARS = 160


class Severity(IntEnum):
    """How much a line matters to the person at the terminal."""

    INFO = 1
    WARNING = 2
    ERROR = 3
    CRITICAL = 4


# structlog's console `[warning  ]` and json `"level": "warning"`, NATS' `[WRN]`, PostgreSQL's `ERROR:`.
# PostgreSQL's ERROR is a statement that was refused and FATAL a session that was: its services' matter.
LEVELS = {
    "debug": Severity.INFO,
    "info": Severity.INFO,
    "warning": Severity.WARNING,
    "error": Severity.ERROR,
    "exception": Severity.ERROR,
    "critical": Severity.CRITICAL,
    "DBG": Severity.INFO,
    "TRC": Severity.INFO,
    "INF": Severity.INFO,
    "WRN": Severity.WARNING,
    "ERR": Severity.ERROR,
    "FTL": Severity.CRITICAL,
    "LOG": Severity.INFO,
    "DETAIL": Severity.INFO,
    "HINT": Severity.INFO,
    "STATEMENT": Severity.INFO,
    "WARNING": Severity.WARNING,
    "ERROR": Severity.ERROR,
    "FATAL": Severity.ERROR,
    "PANIC": Severity.CRITICAL,
}
LEVEL = re.compile(
    r"\[(?P<bracket>debug|info|warning|error|exception|critical|DBG|TRC|INF|WRN|ERR|FTL)\s*\]"
    r'|"level": ?"(?P<json>debug|info|warning|error|exception|critical)"'
    r"|\b(?P<postgres>LOG|DETAIL|HINT|STATEMENT|WARNING|ERROR|FATAL|PANIC): "
)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def severity(line: str) -> Severity | None:
    """The level a line names near its beginning; None for one that names none, as in a traceback."""
    found = LEVEL.search(COLOUR.sub("", line[:LEVEL_WITHIN_CHARS]))
    if found is None:
        return None
    return LEVELS[next(word for word in found.groups() if word is not None)]


class Output:
    """One child's output over all its lives.

    `echo` is called with each whole line at or above `echo_from`. A line without a level goes with the
    one before it, so that a traceback follows its error; before any level it counts as an error, as
    what an interpreter prints when it cannot even start.
    """

    def __init__(self, log_file: Path, echo: Callable[[str], None], echo_from: Severity = Severity.WARNING) -> None:
        """`log_file` is appended to, and moved to `<name>.1` when it has grown to 10 MiB."""
        self.log_file = log_file
        self._echo = echo
        self._echo_from = echo_from
        self._current = Severity.ERROR
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._partial = b""
        self._file: IO[bytes] | None = None

    @property
    def last_lines(self) -> tuple[str, ...]:
        """The last lines, oldest first."""
        return tuple(self._tail)

    def new_life(self) -> None:
        """The child is about to be started: whatever comes before its first level is an error."""
        self.flush()
        self._current = Severity.ERROR

    def feed(self, data: bytes) -> None:
        """Take bytes as they come; lines are acted on once they end, or grow beyond 64 KiB."""
        try:
            self._write(data)
        except OSError:
            # A full disk must not stop the reading: the child would hang on a full pipe.
            self._file = None
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._line(line)
        if len(self._partial) > PARTIAL_BYTES_MAX:
            self.flush()

    def flush(self) -> None:
        """Act on an unfinished last line."""
        if self._partial:
            self._line(self._partial)
            self._partial = b""

    def close(self) -> None:
        """No more output will come."""
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _line(self, raw: bytes) -> None:
        line = raw.decode("utf-8", errors="replace").rstrip("\r")
        self._tail.append(line[:TAIL_LINE_CHARS])
        self._current = severity(line) or self._current
        if self._current >= self._echo_from and line.strip():
            self._echo(line)

    def _write(self, data: bytes) -> None:
        if self._file is None:
            self.log_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = self.log_file.open("ab")
        self._file.write(data)
        self._file.flush()
        if self._file.tell() > FILE_BYTES_MAX:
            self._file.close()
            self._file = None
            self.log_file.replace(self.log_file.with_name(f"{self.log_file.name}.1"))
