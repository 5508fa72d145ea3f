"""Cancelling and settling jobs of the real executor: what runs is stopped, here and at the provider, and is paid for as
its tool says."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from scrip.executor.v1 import executor_pb2

from services.cli.local import nats
from services.runtime import clock
from services.runtime.errors import Refusal
from tests.executor.providers.double import Answer, Asked, Double, provider
from tests.executor.saga import Saga
from tests.executor.test_pool import children, is_gone
from tests.harness.processes import Services
from tests.harness.waiting import eventually

Job = executor_pb2.Job
ENDLESS = {"message": "x", "delay_seconds": 60}
VIDEO, SETTING = "text-to-video-runway", {"prompt": "A fox in the snow."}


def ahead(seconds: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(clock.now() + timedelta(seconds=seconds))
    return stamp


@pytest.fixture
async def fragile(services: Services) -> Saga:
    """Services of one test, which may do to them what it likes."""
    services.settings["executor"] = {"SCRIP_LEASE_SECONDS": "4"}
    await services.start("ledger", "catalog", "executor")
    saga = Saga(services)
    await saga.account("acme")
    return saga


async def nothing_is_held(saga: Saga, account_id: str, spent_micros: int = 0) -> None:
    credits = await saga.credits(account_id)
    assert (credits.reserved_micros, credits.spent_micros) == (0, spent_micros)


async def test_a_call_here_is_stopped_and_its_process_with_it(saga: Saga, acme: str) -> None:
    """Long before it would have ended; others run on in a process of their own."""
    job_id = await saga.begin(acme, ENDLESS)
    await saga.running(acme, job_id)
    before = set(children(saga.services.pid("executor")))
    asked = await saga.cancel(acme, job_id)
    assert asked.state in (Job.STATE_RUNNING, Job.STATE_CANCELED)
    job = await saga.settled(acme, job_id)
    assert (job.state, job.error.reason, job.captured_micros) == (Job.STATE_CANCELED, "CANCELED", 0)
    assert job.cancel_requested_at.seconds
    await eventually(lambda: any(is_gone(pid) for pid in before), 20)
    again = await saga.cancel(acme, job_id)
    assert (again.state, again.finished_at) == (job.state, job.finished_at)
    later = await saga.settled(acme, await saga.begin(acme, {"message": "y"}))
    assert later.state == Job.STATE_SUCCEEDED
    await nothing_is_held(saga, acme, later.captured_micros)


async def test_a_job_that_waits_for_a_process_is_canceled_for_nothing(saga: Saga, acme: str) -> None:
    """Begun or not: its tool was never called."""
    job_ids = [await saga.begin(acme, ENDLESS) for _ in range(25)]
    for job_id in reversed(job_ids):
        await saga.cancel(acme, job_id)
    jobs = [await saga.settled(acme, job_id) for job_id in job_ids]
    assert {job.state for job in jobs} == {Job.STATE_CANCELED}
    await nothing_is_held(saga, acme)


async def test_another_accounts_job_cannot_be_canceled(saga: Saga, acme: str) -> None:
    """It is not even found; an operator, who names no account, may."""
    job_id = await saga.begin(acme, ENDLESS)
    with pytest.raises(Refusal, match="JOB_NOT_FOUND"):
        await saga.cancel("other", job_id)
    with pytest.raises(Refusal, match="JOB_NOT_FOUND"):
        await saga.cancel("", "job_none")
    await saga.cancel("", job_id)
    assert (await saga.settled(acme, job_id)).state == Job.STATE_CANCELED


async def test_the_word_that_got_lost_is_found_by_looking(fragile: Saga, nats_server: nats.Server) -> None:
    """Without NATS, and though another executor wrote the wish, as the database is all they share."""
    job_id = await fragile.begin("acme", ENDLESS)
    await fragile.running("acme", job_id)
    nats_server.kill()
    fragile.services.query(
        "executor",
        "UPDATE job SET cancel_requested_at = clock_timestamp(), wished_by = 'service:gateway' RETURNING job_id",
    )
    assert (await fragile.settled("acme", job_id)).state == Job.STATE_CANCELED


async def test_a_killed_executor_does_not_begin_again_what_was_canceled(fragile: Saga) -> None:
    """kill -9 between the wish and the end: the one that comes after ends it, and calls nothing."""
    services = fragile.services
    job_id = await fragile.begin("acme", ENDLESS)
    await fragile.running("acme", job_id)
    services.kill("executor")
    services.query(
        "executor",
        "UPDATE job SET cancel_requested_at = clock_timestamp(), wished_by = 'service:gateway' RETURNING job_id",
    )
    await services.restart("executor")
    job = await fragile.settled("acme", job_id, 60)
    assert (job.state, job.attempts, job.error.reason) == (Job.STATE_CANCELED, 1, "CANCELED")
    await nothing_is_held(fragile, "acme")


async def test_a_delayed_job_begins_at_its_time(saga: Saga, acme: str) -> None:
    """Not before."""
    after = ahead(2)
    job_id = await saga.begin(acme, {"message": "x"}, run_after=after)
    assert (await saga.job(acme, job_id)).run_after == after
    job = await saga.settled(acme, job_id)
    assert job.state == Job.STATE_SUCCEEDED
    assert job.started_at.ToNanoseconds() >= after.ToNanoseconds()


async def test_a_job_ends_at_its_deadline(saga: Saga, acme: str) -> None:
    """One that runs is stopped, one that waits does not begin; batch or not."""
    running = await saga.begin(acme, ENDLESS, cancel_after=ahead(3))
    await saga.running(acme, running)
    waiting = await saga.begin(
        acme, ENDLESS, run_after=ahead(600), cancel_after=ahead(601), priority=Job.PRIORITY_BATCH
    )
    past = await saga.begin(acme, ENDLESS, cancel_after=ahead(-5))
    for job_id in (running, past):
        job = await saga.settled(acme, job_id)
        assert (job.state, job.error.reason) == (Job.STATE_CANCELED, "DEADLINE_PASSED")
    assert job.attempts == 0
    assert (await saga.job(acme, waiting)).priority == Job.PRIORITY_BATCH
    await saga.cancel(acme, waiting)
    await saga.settled(acme, waiting)
    await nothing_is_held(saga, acme)


class Runway:
    """A provider whose work never ends, until it is told to stop."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self.polled = threading.Event()

    def say(self, asked: Asked) -> Answer:
        assert asked.headers["authorization"] == "Bearer runway-key"
        if asked.method == "POST":
            return Answer(body=b'{"id": "task-1"}')
        assert asked.path == "/v1/tasks/task-1"
        assert asked.headers["x-runway-version"] == "2024-11-06"
        if asked.method == "DELETE":
            self.stopped.set()
            return Answer(204, body=b"")
        self.polled.set()
        return Answer(body=json.dumps({"id": "task-1", "status": "RUNNING"}).encode())


@pytest.fixture
def runway() -> Runway:
    return Runway()


@pytest.fixture
def double(runway: Runway) -> Iterator[Double]:
    with provider(runway.say) as double:
        yield double


@pytest.fixture
async def calling(services: Services, double: Double) -> AsyncIterator[Saga]:
    """The services, with a provider."""
    services.providers = {
        "SCRIP_SECRET_RUNWAY_API_KEY": "runway-key",
        "SCRIP_PROVIDER_BASES": f"https://api.dev.runwayml.com={double.url}",
    }
    await services.start("ledger", "catalog", "executor")
    saga = Saga(services)
    await saga.account("acme", 10_000)
    yield saga


@pytest.mark.parametrize("how", ["canceled", "late"])
async def test_work_at_a_provider_is_stopped_there(calling: Saga, runway: Runway, double: Double, how: str) -> None:
    """Whether somebody cancels the job or its time is over; once."""
    quote = await calling.quote("acme", VIDEO, SETTING)
    await calling.reserve(quote)
    job_id = quote.job_id
    await calling.submit(quote, SETTING, **({"cancel_after": ahead(8)} if how == "late" else {}))
    if how == "canceled":
        assert await asyncio.to_thread(runway.polled.wait, 20)
        await calling.cancel("acme", job_id)
    job = await calling.settled("acme", job_id)
    assert (job.state, job.captured_micros) == (Job.STATE_CANCELED, 0)
    assert await asyncio.to_thread(runway.stopped.wait, 20)
    assert [asked.method for asked in double.asked].count("DELETE") == 1
    await nothing_is_held(calling, "acme")


async def test_an_operator_settles_what_a_provider_left_open(calling: Saga, runway: Runway) -> None:
    """Reserved until then; then captured once, at the price of the units that the operator says."""
    job_id = await calling.begin("acme", SETTING, VIDEO)
    assert await asyncio.to_thread(runway.polled.wait, 20)
    calling.services.kill("executor")
    # As if it had died before it could keep what the provider answered; its lease and the time of its call are over.
    calling.services.query("executor", "DELETE FROM work RETURNING job_id")
    calling.services.query("executor", "UPDATE job SET held_until = now() - interval '2 hours' RETURNING job_id")
    await calling.services.restart("executor")

    async def is_unknown() -> Job | None:
        job = await calling.job("acme", job_id)
        return job if job.state == Job.STATE_INDETERMINATE else None

    job = await eventually(is_unknown, 30)
    assert job.indeterminate_at.seconds
    with pytest.raises(Refusal, match="JOB_ENDED"):
        await calling.cancel("acme", job_id)
    request = executor_pb2.SettleJobRequest(
        job_id=job_id,
        state=Job.STATE_SUCCEEDED,
        reason="it is on the bill",
        units={"second": 2},
        output_json=b'{"video_url": "x"}',
    )
    settle = calling.executor_stub.SettleJob
    first = await calling.executor.call(settle, request)
    again = await calling.executor.call(settle, request)
    assert (first.replayed, again.replayed) == (False, True)
    job = await calling.settled("acme", job_id)
    assert (job.state, job.output_json, dict(job.units)) == (Job.STATE_SUCCEEDED, b'{"video_url": "x"}', {"second": 2})
    assert 0 < job.captured_micros < job.reserved_micros
    await nothing_is_held(calling, "acme", job.captured_micros)
