"""A circuit breaker: whether a provider is asked at all, by how it answered lately. Pure; it is told the time.

Closed, all may ask. It opens when the provider fails again and again, and then nobody asks for a while. After that it
is half open: one asks, as a probe. If that is answered the circuit is closed, else it opens for longer.
"""

from collections import deque
from enum import StrEnum

FAILURES_IN_A_ROW = 5
# Or so large a part of the last ones, where there were enough of them.
FAILED_PART = 0.5
OUTCOMES_LEAST = 20
OUTCOMES_MAX = 50
OUTCOME_SECONDS = 60.0
PAUSE_FIRST_SECONDS = 5.0
PAUSE_MOST_SECONDS = 120.0


class State(StrEnum):
    """Who may ask: all, nobody, or one."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Circuit:
    """One for each provider; times are seconds on any clock that does not go back."""

    def __init__(self) -> None:
        self._outcomes: deque[tuple[float, bool]] = deque(maxlen=OUTCOMES_MAX)
        self._open_until: float | None = None
        self._pause = PAUSE_FIRST_SECONDS
        self._is_probed = False

    def state(self, now: float) -> State:
        """Where it stands."""
        if self._open_until is None:
            return State.CLOSED
        return State.HALF_OPEN if self._is_probed or now >= self._open_until else State.OPEN

    def admits(self, now: float) -> bool:
        """Whether one more may ask; where it is half open, that is the probe."""
        state = self.state(now)
        return state is State.CLOSED or (state is State.HALF_OPEN and not self._is_probed)

    def seconds_closed_to_all(self, now: float) -> float:
        """How long nobody may ask; 0 where somebody may."""
        return max((self._open_until or now) - now, 0.0)

    def begin_probe(self) -> None:
        """The one that may ask does."""
        self._is_probed = True

    def end_probe(self) -> None:
        """It went without an answer either way; the next one is the probe."""
        self._is_probed = False

    def succeeded(self, now: float, is_probe: bool) -> None:
        """The provider answered. Where it is not closed only the probe counts: others asked before it opened."""
        if is_probe:
            self._open_until, self._is_probed, self._pause = None, False, PAUSE_FIRST_SECONDS
            self._outcomes.clear()
        self._outcomes.append((now, True))

    def failed(self, now: float, is_probe: bool) -> None:
        """It could not be reached, did not answer, or said that it is broken."""
        self._outcomes.append((now, False))
        if is_probe or (self._open_until is None and self._fails(now)):
            self._open_until, self._is_probed = now + self._pause, False
            self._pause = min(self._pause * 2, PAUSE_MOST_SECONDS)

    def _fails(self, now: float) -> bool:
        recent = [succeeded for at, succeeded in self._outcomes if now - at <= OUTCOME_SECONDS]
        if len(recent) >= FAILURES_IN_A_ROW and not any(recent[-FAILURES_IN_A_ROW:]):
            return True
        return len(recent) >= OUTCOMES_LEAST and recent.count(False) >= FAILED_PART * len(recent)
