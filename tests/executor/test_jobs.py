"""The rules of jobs: which step may follow which, and what an ending costs."""

from dataclasses import replace

import pytest

from services.executor.providers.circuit import PAUSE_MOST_SECONDS
from services.executor.rules import endings
from services.executor.rules.jobs import (
    ENDED,
    LEASE_EXPIRED,
    NO_ANSWER,
    NO_REPORT,
    TRANSITIONS,
    WORKER_CRASHED,
    Charge,
    Cost,
    Ending,
    IllegalTransitionError,
    Loss,
    Retry,
    State,
    Terms,
    Transition,
    after_lost_attempt,
    check_transition,
    cost_of,
    ended,
)
from services.runtime.tariff import Rate, Tariff

TERMS = Terms(
    reserved=1_000,
    tariff=Tariff(base=100, minimum=150, rates=(Rate("second", 7),)),
    quoted_units={"second": 100},
    charges={
        Ending.SUCCEEDED: Charge.MEASURED,
        Ending.FAILED: Charge.NOTHING,
        Ending.REFUSED: Charge.BASE,
        Ending.TIMED_OUT: Charge.MEASURED,
    },
)

LEGAL = {
    (State.QUEUED, State.RUNNING),
    # What it would give is known.
    (State.QUEUED, State.SUCCEEDED),
    (State.QUEUED, State.FAILED),
    (State.QUEUED, State.CANCELED),
    (State.RUNNING, State.QUEUED),
    (State.RUNNING, State.SUCCEEDED),
    (State.RUNNING, State.FAILED),
    (State.RUNNING, State.CANCELED),
    (State.RUNNING, State.INDETERMINATE),
    (State.INDETERMINATE, State.SUCCEEDED),
    (State.INDETERMINATE, State.FAILED),
}


@pytest.mark.parametrize("before", State)
@pytest.mark.parametrize("after", State)
def test_only_legal_transitions_pass(before: State, after: State) -> None:
    """Every transition that is not in the table is refused."""
    if (before, after) in LEGAL:
        check_transition(before, after)
    else:
        with pytest.raises(IllegalTransitionError):
            check_transition(before, after)


def test_an_ended_job_stays_ended() -> None:
    """No transition leaves an ended state."""
    assert all(not TRANSITIONS[state] for state in ENDED)


def test_an_illegal_step_cannot_even_be_made() -> None:
    """A Transition checks itself."""
    with pytest.raises(IllegalTransitionError):
        Transition("job_1", 1, State.QUEUED, State.INDETERMINATE, "x")


@pytest.mark.parametrize(
    ("ending", "units", "cost"),
    [
        (Ending.SUCCEEDED, 0, Cost(150, 0)),
        (Ending.SUCCEEDED, 7, Cost(150, 0)),
        (Ending.SUCCEEDED, 8, Cost(156, 0)),
        (Ending.SUCCEEDED, 200, Cost(1_500, 500)),
        (Ending.FAILED, 200, Cost(0, 0)),
        (Ending.REFUSED, 200, Cost(100, 0)),
        (Ending.TIMED_OUT, 100, Cost(800, 0)),
        (Ending.CANCELED, 100, Cost(0, 0)),
        (Ending.UNKNOWN, 100, Cost(0, 0)),
        (Ending.NOT_RUN, 100, Cost(0, 0)),
    ],
)
def test_an_ending_costs_what_its_rule_says(ending: Ending, units: int, cost: Cost) -> None:
    """Nothing, the base, or the price of what was measured; beyond the reservation it is shortfall."""
    assert cost_of(TERMS, ending, {"second": units}) == cost
    assert cost.capture <= TERMS.reserved


def test_a_tool_that_was_not_called_costs_nothing() -> None:
    """NOT_RUN is free whatever the rules say."""
    everything = dict.fromkeys(Ending, Charge.MEASURED)
    assert cost_of(Terms(10, Tariff(base=5), charges=everything), Ending.NOT_RUN, {"second": 3}) == Cost(0, 0)


def test_what_was_not_measured_has_the_units_of_the_quote() -> None:
    """Such as input tokens that were counted before, where the provider says how many it gave."""
    rates = (Rate("input_token", 1), Rate("output_token", 10))
    terms = Terms(1_000, Tariff(rates=rates), {"input_token": 20, "output_token": 90}, charges=TERMS.charges)
    step = ended(
        "j", 1, State.RUNNING, terms, Ending.SUCCEEDED, cause="x", output_json=b"{}", measured={"output_token": 3}
    )
    assert step.units == {"input_token": 20, "output_token": 3}
    assert step.cost == Cost(50, 0)


def test_who_used_nothing_pays_nothing() -> None:
    """Where endings are charged by what was used: neither base nor minimum, unless it succeeded."""
    tariff = Tariff(base=100, minimum=150, rates=(Rate("token", 7),))
    terms = Terms(1_000, tariff, charges=dict.fromkeys(Ending, Charge.MEASURED))
    for ending in (Ending.FAILED, Ending.TIMED_OUT, Ending.CANCELED, Ending.REFUSED):
        assert cost_of(terms, ending, {"token": 0}) == Cost(0, 0)
        assert cost_of(terms, ending, {"token": 10}) == Cost(170, 0)
    assert cost_of(terms, Ending.SUCCEEDED, {"token": 0}) == Cost(150, 0)


def test_measured_units_go_before_quoted_ones() -> None:
    """Without a measure of its own, an ending has the units of its quote."""
    quoted = ended("j", 1, State.RUNNING, TERMS, Ending.SUCCEEDED, cause="x", output_json=b"{}")
    measured = ended("j", 1, State.RUNNING, TERMS, Ending.SUCCEEDED, cause="x", output_json=b"{}", measured={"": 3})
    assert quoted.units == {"second": 100}
    assert quoted.cost.charge == 800
    assert measured.units == {"second": 3}
    assert measured.cost.charge == 150


@pytest.mark.parametrize("ending", [Ending.CANCELED, Ending.TIMED_OUT, Ending.UNKNOWN])
def test_what_was_not_measured_is_charged_as_far_as_it_is_known(ending: Ending) -> None:
    """An exact quote says the units of work that was not done as well; of another one none are known to be used."""
    for exact, charge in ((True, 800), (False, 0)):
        terms = replace(TERMS, exact=exact, charges={ending: Charge.MEASURED})
        before = State.INDETERMINATE if ending is Ending.UNKNOWN else State.RUNNING
        step = ended("j", 1, before, terms, ending, cause="x", reason="X", message="x")
        assert step.cost == Cost(charge, 0)


def test_a_call_that_never_left_costs_nothing() -> None:
    """Though the job had begun, and whatever its rules say."""
    terms = replace(TERMS, charges=dict.fromkeys(Ending, Charge.MEASURED))
    step = ended("j", 1, State.RUNNING, terms, Ending.CANCELED, cause="x", reason="X", message="x", called=False)
    assert (step.after, step.cost) == (State.CANCELED, Cost(0, 0))


@pytest.mark.parametrize(
    ("retry", "losses", "loss", "after", "reason"),
    [
        (Retry.SAFE, 1, WORKER_CRASHED, State.QUEUED, ""),
        (Retry.SAFE, 2, NO_ANSWER, State.QUEUED, ""),
        (Retry.SAFE, 3, NO_ANSWER, State.FAILED, "PROVIDER_UNAVAILABLE"),
        (Retry.SAFE, 3, WORKER_CRASHED, State.FAILED, "WORKER_CRASHED"),
        (Retry.SAFE, 7, LEASE_EXPIRED, State.QUEUED, ""),
        (Retry.SAFE, 8, LEASE_EXPIRED, State.FAILED, "WORKER_CRASHED"),
        (Retry.UNSAFE, 1, NO_ANSWER, State.INDETERMINATE, "OUTCOME_UNKNOWN"),
        (Retry.UNSAFE, 8, LEASE_EXPIRED, State.INDETERMINATE, "OUTCOME_UNKNOWN"),
    ],
)
def test_a_lost_attempt_is_repeated_only_where_that_is_safe(
    retry: Retry, losses: int, loss: Loss, after: State, reason: str
) -> None:
    """Safe tools run again, a few times, more often where it was hardly their fault; of others nobody can tell whether
    the work was done."""
    step = after_lost_attempt("j", 1, TERMS, retry, losses, loss)
    assert (step.after, step.reason, step.cause) == (after, reason, loss.cause)
    assert step.is_loss
    assert step.cost.charge == 0


@pytest.mark.parametrize(("attempts", "behind"), [(1, False), (2, False), (3, True), (50, True)])
def test_a_job_that_its_provider_never_answers_lets_others_ask_before_it(attempts: int, behind: bool) -> None:
    """It waits for longer than the provider is left alone, so that another one is the probe."""
    step = endings.provider_down(("j", 1), attempts, NO_REPORT)
    assert (step.after, step.cost.charge) == (State.QUEUED, 0)
    assert (step.delay_seconds > PAUSE_MOST_SECONDS) is behind
    assert step.delay_seconds == 0 or behind
