"""Jobs from submit to settlement, through the real ledger, catalog and executor."""

import asyncio
import contextlib
import json
from collections import Counter

import pytest
from scrip.executor.v1 import events_pb2, executor_pb2

from services.runtime import chain
from services.runtime.errors import Refusal
from tests.executor.saga import MICROS, Saga
from tests.harness.waiting import eventually

Job = executor_pb2.Job
HELLO = {"message": "hello"}


async def test_a_job_is_run_settled_and_told(saga: Saga, acme: str) -> None:
    """A follower sees the job now and after each change, to its output and what it cost."""
    quote = await saga.quote(acme, "echo", HELLO | {"delay_seconds": 0.3})
    await saga.reserve(quote)
    response = await saga.submit(quote, HELLO | {"delay_seconds": 0.3}, key_id="key1", labels={"team": "red"})
    assert not response.replayed
    assert response.job.reserved_micros == quote.amount_max_micros
    told = await saga.watch(acme, quote.job_id)
    steps = [(job.state, job.settlement) for job in told]
    assert steps == sorted(steps)
    last = told[-1]
    assert (last.state, last.settlement) == (Job.STATE_SUCCEEDED, Job.SETTLEMENT_SETTLED)
    assert json.loads(last.output_json) == {"message": "hello", "seconds": 1}
    assert last.duration_ms >= 300
    credits = await saga.credits(acme)
    assert credits.reserved_micros == 0
    assert credits.spent_micros == last.captured_micros == 11_000
    assert await saga.watch(acme, quote.job_id) == [last]


async def test_a_submission_repeated_is_the_same_job(saga: Saga, acme: str) -> None:
    """The same quote again attaches to the job, whatever has become of it; other content is refused."""
    quote = await saga.quote(acme, "echo", HELLO)
    await saga.reserve(quote)
    answers = await asyncio.gather(*(saga.submit(quote, HELLO) for _ in range(10)))
    assert Counter(answer.replayed for answer in answers) == {False: 1, True: 9}
    await saga.settled(acme, quote.job_id)
    again = await saga.submit(quote, HELLO)
    assert again.replayed
    assert json.loads(again.job.output_json)["message"] == "hello"
    quote.input_digest = "0" * 64
    with pytest.raises(Refusal, match="REQUEST_ID_REUSED"):
        await saga.submit(quote, HELLO)
    quote.account_id = "other"
    with pytest.raises(Refusal, match="JOB_NOT_FOUND"):
        await saga.submit(quote, HELLO)
    assert (await saga.credits(acme)).spent_micros == 10_000


async def test_another_accounts_job_is_not_found(saga: Saga, acme: str) -> None:
    """Neither read nor followed."""
    job_id = await saga.begin(acme, HELLO)
    for ask in (saga.job("other", job_id), saga.watch("other", job_id), saga.job(acme, "job_none")):
        with pytest.raises(Refusal, match="JOB_NOT_FOUND"):
            await ask


@pytest.mark.parametrize(
    ("outcome", "reason", "attempts"), [("failure", "TOOL_FAILED", 1), ("crash", "WORKER_CRASHED", 3)]
)
async def test_work_that_was_not_done_costs_nothing(
    saga: Saga, acme: str, outcome: str, reason: str, attempts: int
) -> None:
    """A tool that fails, and one whose process dies three times, leave no charge and no hold."""
    job_id = await saga.begin(acme, HELLO | {"outcome": outcome})
    job = await saga.settled(acme, job_id)
    assert (job.state, job.error.reason, job.attempts) == (Job.STATE_FAILED, reason, attempts)
    assert "Traceback" not in job.error.message
    credits = await saga.credits(acme)
    assert (credits.available_micros, credits.reserved_micros) == (1_000 * MICROS, 0)


async def test_a_job_whose_reservation_lapsed_is_not_run(saga: Saga, acme: str) -> None:
    """RESERVATION_ENDED before anything is called, for nothing."""
    quote = await saga.quote(acme, "echo", HELLO)
    await saga.reserve(quote, ttl_seconds=1)

    async def has_lapsed() -> bool:
        return (await saga.credits(acme)).reserved_micros == 0

    await eventually(has_lapsed)
    await saga.submit(quote, HELLO)
    job = await saga.settled(acme, quote.job_id)
    assert (job.error.reason, job.attempts, job.captured_micros) == ("RESERVATION_ENDED", 0, 0)


async def test_many_jobs_end_once_each_and_add_up(saga: Saga, acme: str) -> None:
    """Sixty jobs at once: as many endings, captures and events, in an unbroken log."""
    job_ids = await asyncio.gather(*(saga.begin(acme, {"message": str(n)}) for n in range(60)))
    for job_id in job_ids:
        assert (await saga.settled(acme, job_id)).state == Job.STATE_SUCCEEDED
    credits = await saga.credits(acme)
    assert (credits.spent_micros, credits.reserved_micros) == (60 * 10_000, 0)
    kinds: Counter[str] = Counter()
    last_hash = dict.fromkeys(range(4), chain.GENESIS_HASH)
    request = executor_pb2.ReadEventsRequest()
    async for message in saga.executor.stream(saga.executor_stub.ReadEvents, request, 10):
        batch = message.batch
        assert batch.previous_hash == last_hash[batch.shard]
        last_hash[batch.shard] = message.hash
        own = [event for event in batch.events if event.account_id == acme]
        kinds.update(events_pb2.EventKind.Name(event.kind) for event in own)
        assert all(event.tool == "echo" for event in own)
    expected = ("JOB_QUEUED", "JOB_STARTED", "JOB_SUCCEEDED", "JOB_SETTLED")
    assert kinds == {f"EVENT_KIND_{kind}": 60 for kind in expected}


async def test_an_accounts_jobs_come_in_pages(saga: Saga, acme: str) -> None:
    """Newest first, without outputs; a token is good for its own account only."""
    job_ids = [await saga.begin(acme, {"message": str(n)}) for n in range(5)]
    await saga.settled(acme, job_ids[-1])
    found: list[str] = []
    token = ""
    while True:
        request = executor_pb2.ListJobsRequest(account_id=acme, page_size=2, page_token=token)
        page = await saga.executor.call(saga.executor_stub.ListJobs, request)
        found += [job.job_id for job in page.jobs]
        assert not any(job.output_json for job in page.jobs)
        if not page.next_page_token:
            break
        token = page.next_page_token
    assert found == job_ids[::-1]
    stolen = executor_pb2.ListJobsRequest(account_id="other", page_token=token)
    with pytest.raises(Refusal, match="page_token"):
        await saga.executor.call(saga.executor_stub.ListJobs, stolen)


async def test_a_single_job_does_not_wait_for_anothers_flood(saga: Saga, acme: str) -> None:
    """While one account has many jobs queued, another's one is next in turn."""
    single, slow = f"{acme}-2", HELLO | {"delay_seconds": 1}
    await saga.account(single)
    flood = await asyncio.gather(*(saga.begin(acme, slow) for _ in range(60)))
    await saga.settled(single, await saga.begin(single, HELLO))
    states = [(await saga.job(acme, job_id)).state for job_id in flood]
    assert states.count(Job.STATE_QUEUED) > 10
    for job_id in reversed(flood):
        with contextlib.suppress(Refusal):
            await saga.cancel(acme, job_id)


async def test_the_credits_of_a_job_that_waits_stay_reserved(saga: Saga, acme: str) -> None:
    """Longer than the gateway reserved them for, which is but the time until the executor has the job."""
    slow, waiting = HELLO | {"delay_seconds": 4}, HELLO
    first = await saga.quote(acme, "echo", slow)
    second = await saga.quote(acme, "echo", waiting)
    for quote, given, ttl_seconds in ((first, slow, 60), (second, waiting, 2)):
        quote.limits.concurrency = 1
        await saga.reserve(quote, ttl_seconds)
        await saga.submit(quote, given)
    job = await saga.settled(acme, second.job_id)
    assert (job.state, job.error.reason) == (Job.STATE_SUCCEEDED, "")
    assert job.captured_micros == 10_000
