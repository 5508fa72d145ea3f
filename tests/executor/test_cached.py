"""Outputs of deterministic tools that are given again, by real services."""

from collections.abc import AsyncIterator

import pytest
from scrip.executor.v1 import events_pb2, executor_pb2

from services.executor.rules import endings
from services.executor.rules.jobs import Cost, State, Terms
from tests.executor.saga import MICROS, Saga
from tests.harness.processes import Services
from tests.harness.reconciled import reconciled

Job = executor_pb2.Job
TOOL = "embed-text"
GIVEN = {"texts": ["A glacier is a river of ice."]}
PRICE = MICROS // 10 + 28 * 100
CACHED = 1_000


@pytest.fixture
async def saga(services: Services) -> AsyncIterator[Saga]:
    await services.start("ledger", "catalog", "executor")
    saga = Saga(services)
    for account in ("acme", "other"):
        await saga.account(account)
    yield saga


async def test_an_account_that_asks_again_gets_what_it_got(saga: Saga) -> None:
    """For the price of that, without a call; another input, and another account, is a call."""
    first = await saga.settled("acme", await saga.begin("acme", GIVEN, TOOL))
    assert (first.state, first.captured_micros, first.attempts, first.cached) == (Job.STATE_SUCCEEDED, PRICE, 1, False)
    again = await saga.settled("acme", await saga.begin("acme", GIVEN, TOOL))
    assert (again.state, again.captured_micros, again.attempts, again.cached) == (Job.STATE_SUCCEEDED, CACHED, 0, True)
    assert again.output_json == first.output_json
    assert dict(again.units) == {"character": 0}
    ended = [event async for event in saga.events() if event.job_id == again.job_id]
    assert [(event.kind, event.cause) for event in ended][:2] == [
        (events_pb2.EVENT_KIND_JOB_QUEUED, "SUBMITTED"),
        (events_pb2.EVENT_KIND_JOB_SUCCEEDED, "CACHED"),
    ]
    elsewhere = await saga.settled("acme", await saga.begin("acme", {"texts": ["Ice"]}, TOOL))
    others = await saga.settled("other", await saga.begin("other", GIVEN, TOOL))
    assert (elsewhere.cached, others.cached, others.attempts) == (False, False, 1)
    credits = await saga.credits("acme")
    assert credits.spent_micros == sum(job.captured_micros for job in (first, again, elsewhere))
    await reconciled(saga.services)


async def test_what_was_kept_for_long_is_made_again(saga: Saga) -> None:
    """When its time is over, and not again by what was itself given again."""
    first = await saga.settled("acme", await saga.begin("acme", GIVEN, TOOL))
    again = await saga.settled("acme", await saga.begin("acme", GIVEN, TOOL))
    assert again.cached
    kept = saga.services.query("executor", "SELECT job_id FROM job WHERE cached_until IS NOT NULL")
    assert kept == [(first.job_id,)]
    saga.services.query("executor", "UPDATE job SET cached_until = now() WHERE cached_until > now() RETURNING job_id")
    assert not (await saga.settled("acme", await saga.begin("acme", GIVEN, TOOL))).cached


def test_it_never_costs_more_than_was_reserved() -> None:
    """A price that was set too high is shortfall."""
    step = endings.given_again(("j", 1), Terms(10, quoted_units={"page": 3}, cached=25), b"{}")
    assert (step.after, step.cost, step.units) == (State.SUCCEEDED, Cost(25, 15), {"page": 0})
