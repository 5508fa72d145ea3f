"""A bound on the time of libraries that some input leads astray: expressions that backtrack, parsers that retry."""

import gc
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from services.executor.material.errors import ToolError

# What is raised in a destructor, or in what the garbage collector calls, is lost; so the alarm rings again and again.
AGAIN_SECONDS = 0.1


class _Over(BaseException):
    """Not an Exception, which libraries catch."""


@contextmanager
def deadline(seconds: float, what: str) -> Iterator[None]:
    """Raises ToolError TOO_SLOW where what is done inside takes longer. Only on the main thread, where signals arrive.

    `what` begins the sentence: "the code takes more than 10 seconds".
    """
    alarm = _Alarm()
    before = signal.signal(signal.SIGALRM, alarm.ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_SECONDS)
        yield
    except _Over as error:
        raise ToolError("TOO_SLOW", f"{what} takes more than {seconds:g} seconds; a simpler one may not") from error
    finally:
        alarm.is_set = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class _Alarm:
    """Rings as long as it is set."""

    def __init__(self) -> None:
        self.is_set = True

    def ring(self, _number: int, frame: FrameType | None) -> None:
        """Raises _Over, unless nobody would get it."""
        if self.is_set and not _is_aside(frame):
            raise _Over


def _is_aside(frame: FrameType | None) -> bool:
    """Whether this is a destructor, or called by the collector, and not what was called here."""
    collectors = [getattr(callback, "__code__", None) for callback in gc.callbacks]
    while frame:
        if frame.f_code.co_name == "__del__" or frame.f_code in collectors:
            return True
        frame = frame.f_back
    return False
