"""The saga where a step fails or its answer is lost, on a real database and doubles of the peers."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from scrip.catalog.v1 import catalog_pb2

from scrip_client import sender
from services.gateway.idempotency import ReplayedRefusal
from services.runtime.errors import Refusal, unavailable
from tests.gateway.doubles import State
from tests.gateway.world import ORDER, World, opened
from tests.harness.databases import Databases


@pytest.fixture
async def world(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(sender, "PAUSE_SECONDS_MAX", 0.005)
    async with opened(databases) as world:
        yield world


async def test_a_submit_that_fails_gives_the_credits_back(world: World) -> None:
    """When no executor takes the job, its reservation is released and the caller is told to come again."""
    world.executor.fail("SubmitJob", unavailable("executor"))
    assert (await world.refused(keyed=False)).reason == "UPSTREAM_UNAVAILABLE"
    assert world.state("job_1") == State.STATE_RELEASED


async def test_a_job_that_was_taken_keeps_its_credits(world: World) -> None:
    """When the submit's answer is lost but the reservation was extended, the executor has it, and it is left alone."""
    world.executor.fail("SubmitJob", unavailable("executor"), applied=True)
    submit = world.executor.SubmitJob

    async def extending(request: Any) -> Any:
        world.ledger.extend(request.quote.job_id)
        return await submit(request)

    world.executor.SubmitJob = extending  # type: ignore[method-assign]
    assert (await world.refused()).reason == "UPSTREAM_UNAVAILABLE"
    assert world.state("job_1") == State.STATE_OPEN
    again = await world.start()
    assert (again.job.job_id, again.replayed) == ("job_1", True)
    assert len(world.executor.jobs) == 1


async def test_a_retry_after_a_failed_submit_gets_its_job(world: World) -> None:
    """Under a key the reservation waits for the retry, which goes on with the same quote."""
    world.executor.fail("SubmitJob", unavailable("executor"))
    await world.refused()
    assert world.state("job_1") == State.STATE_OPEN
    driven = await world.start()
    assert (driven.job.job_id, driven.replayed) == ("job_1", False)
    assert (await world.start()).replayed
    assert list(world.executor.jobs) == ["job_1"]


async def test_a_retry_after_the_reservation_lapsed_gets_a_new_one(world: World) -> None:
    """The reservation of the first attempt is gone, so the row is led to a new quote; nothing is charged twice."""
    world.executor.fail("SubmitJob", unavailable("executor"))
    await world.refused()
    world.ledger.end("job_1")
    driven = await world.start()
    assert (driven.job.job_id, driven.replayed) == ("job_2", False)
    assert list(world.executor.jobs) == ["job_2"]
    again = await world.start()
    assert (again.job.job_id, again.replayed) == ("job_2", True)


async def test_a_retry_after_a_dead_driver_goes_on_with_its_quote(world: World) -> None:
    """A row whose driver died before or after the reserve is driven with the same quote, once its time is over."""
    quote = await world.saga.quote("acme", "echo", ORDER.input)
    await world.store.begin("acme", "k", b"c", quote)
    refusal = await world.refused()
    assert (refusal.reason, refusal.metadata["job_id"]) == ("REQUEST_IN_FLIGHT", "job_1")
    world.pass_time()
    driven = await world.start()
    assert driven.job.job_id == "job_1"
    assert world.catalog.calls == ["QuotePrice"]


async def test_a_retry_while_the_ledger_was_away_is_not_stuck(world: World) -> None:
    """A reserve that fails leaves a row which the next request drives at once."""
    world.ledger.fail("ReserveCredits", *[unavailable("ledger")] * 20)
    assert (await world.refused()).reason == "UPSTREAM_UNAVAILABLE"
    world.ledger.failures.clear()
    assert (await world.start()).job.job_id == "job_1"


async def test_a_reserve_whose_answer_is_lost_is_our_own(world: World) -> None:
    """The second attempt finds the reservation there, and the job is ours all the same."""
    quote = await world.saga.quote("acme", "echo", ORDER.input)
    world.ledger.fail("ReserveCredits", unavailable("ledger"), applied=True)
    driven = await world.saga.start(replace(ORDER, quote_id=quote.quote_id))
    assert (driven.job.job_id, driven.replayed) == ("job_1", False)


@pytest.mark.parametrize("keyed", [False, True])
async def test_a_quote_whose_reservation_ended_is_used(world: World, keyed: bool) -> None:
    """Nothing will come of it any more, and the caller who insists on it is told so; his key stays free."""
    quote = await world.saga.quote("acme", "echo", ORDER.input)
    order = replace(ORDER, quote_id=quote.quote_id)
    world.executor.fail("SubmitJob", unavailable("executor"))
    assert (await world.refused(order, keyed=False)).reason == "UPSTREAM_UNAVAILABLE"
    refusal = await world.refused(order, keyed)
    assert (refusal.reason, refusal.metadata["job_id"]) == ("QUOTE_USED", "job_1")
    assert await world.store.find("acme", "k") is None


async def test_a_quote_that_ran_out_before_its_retry_is_replaced(world: World) -> None:
    """The ledger refuses to reserve after the quote's time, so the row is led to a new quote."""
    quote = await world.saga.quote("acme", "echo", ORDER.input)
    await world.store.begin("acme", "k", b"c", quote)
    world.pass_time()
    world.ledger.fail("ReserveCredits", Refusal("REQUEST_EXPIRED", "late"))
    assert (await world.start()).job.job_id == "job_2"


@pytest.mark.parametrize("reason", ["ACCOUNT_NOT_FOUND", "ACCOUNT_FROZEN", "ACCOUNT_CLOSED"])
async def test_refusals_that_are_not_stored_free_the_key(world: World, reason: str) -> None:
    """After them the key may be used again, for other content too."""
    world.ledger.fail("ReserveCredits", Refusal(reason, "no"))
    assert (await world.refused()).reason == reason
    assert (await world.start(content=b"other")).replayed is False


async def test_a_busy_executor_is_passed_on_and_costs_nothing(world: World) -> None:
    """Its refusal is the answer; the reservation is released and the key free."""
    world.executor.fail("SubmitJob", Refusal("RATE_LIMITED", "full"))
    assert (await world.refused()).reason == "RATE_LIMITED"
    assert world.state("job_1") == State.STATE_RELEASED
    assert (await world.start()).job.job_id == "job_2"


async def test_a_lack_of_credits_is_stored(world: World) -> None:
    """The next request under the key gets it again without asking anybody."""
    world.ledger.fail("ReserveCredits", Refusal("INSUFFICIENT_CREDITS", "no", {"required_micros": 5}))
    assert (await world.refused()).reason == "INSUFFICIENT_CREDITS"
    asked = len(world.ledger.calls)
    assert isinstance(await world.refused(), ReplayedRefusal)
    assert (len(world.ledger.calls), world.catalog.calls) == (asked, ["QuotePrice"])


async def test_a_replay_needs_no_catalog(world: World) -> None:
    """What has its answer is answered while the catalog is away or the tool is switched off."""
    first = await world.start()
    world.catalog.fail("QuotePrice", unavailable("catalog"))
    again = await world.start()
    assert (again.job.job_id, again.replayed) == (first.job.job_id, True)


async def test_nobody_can_tell_is_no_answer(world: World) -> None:
    """While the executor cannot say whether the job exists, nothing is driven; later the same job is found."""
    await world.start()
    world.executor.fail("GetJob", unavailable("executor"))
    world.pass_time()
    assert (await world.refused()).reason == "UPSTREAM_UNAVAILABLE"
    assert world.executor.calls.count("SubmitJob") == 1
    assert (await world.start()).job.job_id == "job_1"


async def test_the_rows_quote_is_what_is_driven(world: World) -> None:
    """The stored quote comes back whole."""
    quote = await world.saga.quote("acme", "echo", ORDER.input)
    row = await world.store.begin("acme", "k", b"c", quote)
    assert row is not None
    assert catalog_pb2.Quote.FromString(row.quote) == quote
