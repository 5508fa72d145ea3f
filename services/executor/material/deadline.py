"""A bound on the time of libraries that some input leads astray: expressions that backtrack, parsers that retry."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from services.executor.material.errors import ToolError


class _Over(BaseException):
    """Not an Exception, which libraries catch."""


@contextmanager
def deadline(seconds: float, what: str) -> Iterator[None]:
    """Raises ToolError TOO_SLOW where what is done inside takes longer. Only on the main thread, where signals arrive.

    `what` begins the sentence: "the code takes more than 10 seconds".
    """
    before = signal.signal(signal.SIGALRM, _ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except _Over as error:
        raise ToolError("TOO_SLOW", f"{what} takes more than {seconds:g} seconds; a simpler one may not") from error
    finally:
        signal.signal(signal.SIGALRM, before)


def _ring(_number: int, _frame: FrameType | None) -> None:
    raise _Over
