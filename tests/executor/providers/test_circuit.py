"""When a provider is asked, by how it answered: the circuit's states as a table of what happens, and when."""

import pytest

from services.executor.providers import circuit
from services.executor.providers.circuit import Circuit, State
from services.executor.providers.retry_budget import RETRIES_MAX, RetryBudget

FIVE_FAIL = [(second, "-") for second in range(5)]
# +, -: an answer and none, of anybody; P: the probe begins; S, F: it succeeds, fails; E: it ends without an answer.
STEPS = [
    ("nothing has happened", [], 0, State.CLOSED, True),
    ("four failures", FIVE_FAIL[:4], 4, State.CLOSED, True),
    ("five in a row", FIVE_FAIL, 4, State.OPEN, False),
    ("five, but not in a row", [*FIVE_FAIL[:4], (4, "+"), (5, "-")], 5, State.CLOSED, True),
    ("five, but of long ago", [*FIVE_FAIL[:4], (90, "-")], 90, State.CLOSED, True),
    ("half of twenty", [(n, "+-"[n % 2]) for n in range(20)], 20, State.OPEN, False),
    ("a third of many", [(n, "-++"[n % 3]) for n in range(48)], 48, State.CLOSED, True),
    ("before its pause is over", FIVE_FAIL, 8.9, State.OPEN, False),
    ("when its pause is over", FIVE_FAIL, 9, State.HALF_OPEN, True),
    ("while one asks", [*FIVE_FAIL, (9, "P")], 600, State.HALF_OPEN, False),
    ("one is answered", [*FIVE_FAIL, (9, "P"), (10, "S")], 10, State.CLOSED, True),
    ("one is answered, then one is not", [*FIVE_FAIL, (9, "P"), (10, "S"), (11, "-")], 11, State.CLOSED, True),
    ("one is not answered", [*FIVE_FAIL, (9, "P"), (10, "F")], 19.9, State.OPEN, False),
    ("its pause is twice as long then", [*FIVE_FAIL, (9, "P"), (10, "F")], 20, State.HALF_OPEN, True),
    ("one ends without an answer", [*FIVE_FAIL, (9, "P"), (10, "E")], 10, State.HALF_OPEN, True),
    ("who asked before it opened is late", [*FIVE_FAIL, (5, "+")], 5, State.OPEN, False),
    ("who failed before it opened is late", [*FIVE_FAIL, (8, "-")], 9, State.HALF_OPEN, True),
]


@pytest.mark.parametrize(("steps", "at", "state", "admits"), [row[1:] for row in STEPS], ids=[row[0] for row in STEPS])
def test_a_circuit(steps: list[tuple[float, str]], at: float, state: State, admits: bool) -> None:
    """Opens by failures that are many and recent, and closes by a probe alone."""
    tried = Circuit()
    for now, step in steps:
        take(tried, now, step)
    assert (tried.state(at), tried.admits(at)) == (state, admits)


def take(tried: Circuit, now: float, step: str) -> None:
    match step:
        case "P":
            assert tried.admits(now)
            tried.begin_probe()
        case "E":
            tried.end_probe()
        case "+" | "S":
            tried.succeeded(now, is_probe=step == "S")
        case _:
            tried.failed(now, is_probe=step == "F")


def test_its_pauses_grow_to_a_bound() -> None:
    """And begin anew after it was closed."""
    tried, now, pauses = Circuit(), 0.0, []
    for _ in range(circuit.FAILURES_IN_A_ROW):
        tried.failed(now, is_probe=False)
    for _ in range(8):
        pauses.append(tried.seconds_closed_to_all(now))
        now += pauses[-1]
        tried.begin_probe()
        tried.failed(now, is_probe=True)
    assert pauses == [5, 10, 20, 40, 80, 120, 120, 120]
    now += tried.seconds_closed_to_all(now)
    tried.begin_probe()
    tried.succeeded(now, is_probe=True)
    for _ in range(circuit.FAILURES_IN_A_ROW):
        tried.failed(now, is_probe=False)
    assert tried.seconds_closed_to_all(now) == 5


@pytest.mark.parametrize(
    ("calls", "wanted", "granted"),
    [(0, 5, 5), (0, 20, RETRIES_MAX), (1_000, 20, RETRIES_MAX)],
    ids=["a quiet provider", "at once", "what was not used is not hoarded"],
)
def test_a_budget_has_a_bound(calls: int, wanted: int, granted: int) -> None:
    """However often the provider is asked."""
    budget = RetryBudget()
    for _ in range(calls):
        budget.earn()
    assert sum(budget.spend() for _ in range(wanted)) == granted


def test_retries_do_not_double_a_load() -> None:
    """Of a thousand calls that all fail, at most one in five is made again, and the few that were there at first."""
    budget, retries = RetryBudget(), 0
    for _ in range(1_000):
        budget.earn()
        retries += budget.spend()
        retries += budget.spend()
    assert 200 <= retries <= 200 + RETRIES_MAX
