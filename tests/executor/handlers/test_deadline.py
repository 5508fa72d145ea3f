"""What takes too long is given up in the middle, and nothing of it is left."""

import gc
import re
import signal
from collections.abc import Callable

import pytest

from services.executor.material.deadline import deadline
from services.executor.material.errors import ToolError
from services.runtime import clock

ENDLESS = re.compile(r"(a+)+b")


def test_an_expression_that_backtracks_for_ever_is_given_up() -> None:
    """With a reason, and the limit in numbers."""
    with (
        pytest.raises(ToolError, match=r"the text takes more than 0\.05 seconds") as refused,
        deadline(0.05, "the text"),
    ):
        ENDLESS.match("a" * 100)
    assert refused.value.reason == "TOO_SLOW"


def test_a_library_that_catches_every_exception_does_not_catch_this() -> None:
    """Some do, and go on."""
    with pytest.raises(ToolError), deadline(0.05, "the text"):
        try:
            ENDLESS.match("a" * 100)
        except Exception:  # noqa: BLE001 (as libraries do)
            ENDLESS.match("a" * 100)


def test_what_is_done_in_time_is_left_alone() -> None:
    """No alarm rings afterwards, and the handler is the one of before."""
    before = signal.getsignal(signal.SIGALRM)
    with deadline(1, "the text"):
        pass
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) is before


def test_other_errors_pass() -> None:
    """And end the watch too."""
    with pytest.raises(ValueError, match="x"), deadline(1, "the text"):
        raise ValueError("x")
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_an_alarm_that_is_lost_rings_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever takes it."""
    monkeypatch.setattr("services.executor.material.deadline.AGAIN_SECONDS", 0.02)
    lost = 0
    with pytest.raises(ToolError), deadline(0.02, "the text"):
        while True:
            try:
                while True:
                    pass
            except BaseException:
                lost += 1
                if lost == 3:
                    raise
    assert lost == 3


class Slow:
    """Takes its time to be destroyed."""

    def __del__(self) -> None:
        wait(0.1)


def wait(seconds: float) -> None:
    """Does nothing, in Python, where alarms arrive."""
    until = clock.monotonic() + seconds
    while clock.monotonic() < until:
        pass


def collect() -> None:
    """Garbage, which somebody looks on at for a while."""

    def look_on(_phase: str, _info: dict[str, int]) -> None:
        wait(0.1)

    gc.callbacks.append(look_on)
    try:
        gc.collect()
    finally:
        gc.callbacks.remove(look_on)


@pytest.mark.parametrize("aside", [Slow, collect])
def test_an_alarm_that_nobody_would_get_waits(monkeypatch: pytest.MonkeyPatch, aside: Callable[[], object]) -> None:
    """What is raised there is told as an error that nobody caught, which fails a test."""
    monkeypatch.setattr("services.executor.material.deadline.AGAIN_SECONDS", 0.02)
    with pytest.raises(ToolError), deadline(0.02, "the text"):
        aside()
        ENDLESS.match("a" * 100)
