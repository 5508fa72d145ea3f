"""The arithmetic of limits, against a bucket that is filled step by step."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway import rates
from services.gateway.rates import SECOND_NS, Rate, Standing

HOUR_NS = 3_600 * SECOND_NS
NOW_NS = 1_800_000_000 * SECOND_NS

RATES = st.builds(Rate, st.just("p"), st.integers(1, 1_000_000), st.sampled_from([60, 3_600]))


class Bucket:
    """Permits counted one by one, as fractions; nothing is rounded."""

    def __init__(self, rate: Rate) -> None:
        self.permits = Fraction(rate.burst)
        self._burst = rate.burst
        self._interval_ns = rate.interval_ns
        self._filled_ns = 0

    def take(self, now_ns: int, n: int) -> int:
        """Permits of `n` that were there."""
        self.permits = min(self.permits + Fraction(now_ns - self._filled_ns, self._interval_ns), Fraction(self._burst))
        self._filled_ns = now_ns
        passed = min(n, int(self.permits))
        self.permits -= passed
        return passed


@st.composite
def visits(draw: st.DrawFn) -> tuple[Rate, list[tuple[int, int]]]:
    """A rate, and permits wanted after so many nanoseconds each: mostly at the pace at which they come back."""
    rate = draw(RATES)
    step = rate.interval_ns
    pauses = st.integers(0, 3 * step) | st.just(step) | st.just(step - 1) | st.integers(0, rate.burst * step)
    return rate, draw(st.lists(st.tuples(pauses, st.integers(1, 2 * rate.burst)), max_size=30))


@given(visits())
def test_it_is_a_bucket_that_fills_at_an_even_pace(given: tuple[Rate, list[tuple[int, int]]]) -> None:
    """As many pass as permits are in the bucket, at every moment, and the wait ends when one is there."""
    rate, wanted = given
    bucket = Bucket(rate)
    full_at_ns, now_ns = 0, NOW_NS
    for pause_ns, n in wanted:
        now_ns += pause_ns
        passed = min(n, rate.room(full_at_ns, now_ns))
        assert passed == bucket.take(now_ns, n)
        full_at_ns = rate.taken(full_at_ns, now_ns, passed)
        assert rate.room(full_at_ns, now_ns) == int(bucket.permits)
        wait_ns = rate.wait_ns(full_at_ns, now_ns)
        assert rate.room(full_at_ns, now_ns + wait_ns) >= 1
        assert wait_ns == 0 or rate.room(full_at_ns, now_ns + wait_ns - 1) == 0


@given(visits())
def test_no_window_sees_more_than_the_limit_and_a_burst(given: tuple[Rate, list[tuple[int, int]]]) -> None:
    """In any time, whatever is asked, at most a burst passes and what comes back in that time."""
    rate, wanted = given
    full_at_ns, now_ns = 0, NOW_NS
    passes: list[tuple[int, int]] = []
    for pause_ns, n in wanted:
        now_ns += pause_ns
        passed = min(n, rate.room(full_at_ns, now_ns))
        full_at_ns = rate.taken(full_at_ns, now_ns, passed)
        passes.append((now_ns, passed))
    for first, (began_ns, _) in enumerate(passes):
        total = 0
        for at_ns, passed in passes[first:]:
            total += passed
            assert total <= rate.burst + Fraction((at_ns - began_ns) * rate.limit, rate.window_seconds * SECOND_NS)


@given(RATES)
def test_a_full_bucket_is_full_again_within_its_window(rate: Rate) -> None:
    """So rows of the table are never of use for longer: a burst is no more than the limit."""
    assert 1 <= rate.burst <= rate.limit
    assert rate.burst * rate.interval_ns <= rate.window_seconds * SECOND_NS + rate.burst


@pytest.mark.parametrize(
    ("limit", "burst"), [(1, 1), (4, 4), (5, 5), (60, 5), (300, 5), (301, 6), (6_000, 100), (1_000_000, 16_667)]
)
def test_a_burst_is_a_sixtieth_but_five_where_the_limit_allows(limit: int, burst: int) -> None:
    """The documented table."""
    assert Rate("tool-hour", limit, 3_600).burst == burst


@pytest.mark.parametrize(
    ("taken", "remaining", "reset"),
    [(0, 5, 0), (1, 4, 60), (4, 1, 240), (5, 0, 60)],
)
def test_standings_say_when_there_is_more(taken: int, remaining: int, reset: int) -> None:
    """Until all of it is back, and where nothing is left until the first."""
    rate = Rate("tool-hour", 60, 3_600)
    found = rates.standing(rate, rate.taken(0, NOW_NS, taken), NOW_NS)
    assert (found.remaining, found.reset_seconds) == (remaining, reset)


def test_whoever_waits_waits_a_second_at_least() -> None:
    """Whole seconds, rounded up."""
    rate = Rate("tool-hour", 1_000_000, 3_600)
    assert rates.standing(rate, rate.taken(0, NOW_NS, rate.burst), NOW_NS).reset_seconds == 1


def test_headers_name_each_policy() -> None:
    """As the draft has them; none without a limit."""
    standings = [Standing(Rate("tool-hour", 60, 3_600), 4, 60), Standing(Rate("account-minute", 600, 60), 0, 1)]
    assert rates.headers(standings) == {
        "RateLimit-Policy": '"tool-hour";q=60;w=3600, "account-minute";q=600;w=60',
        "RateLimit": '"tool-hour";r=4;t=60, "account-minute";r=0;t=1',
    }
    assert rates.headers([]) == {}
