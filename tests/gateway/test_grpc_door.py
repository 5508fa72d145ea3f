"""The whole saga over gRPC, through the running system."""

import asyncio
import contextlib
import hashlib
import itertools
import json
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from scrip.catalog.v1 import catalog_pb2
from scrip.executor.v1 import executor_pb2
from scrip.gateway.v1 import gateway_pb2

from services.runtime import clock
from services.runtime.errors import Refusal
from tests.gateway.conftest import Account, System
from tests.gateway.grpc_caller import GrpcCaller
from tests.harness.waiting import eventually
from tests.system.samples import pdf

ECHO = b'{"message": "x"}'
SLOW = b'{"message": "x", "delay_seconds": 2}'
OTHER = b'{"message": "y"}'
Job = executor_pb2.Job


async def test_a_tool_is_executed_and_costs_what_it_should(caller: GrpcCaller, account: Account) -> None:
    """The stream says that the job is there and ends with its outcome, and the balance falls by what was captured."""
    made = await caller.execute("r", ECHO, reference="order-1", labels={"team": "search"})
    assert made.state == Job.STATE_SUCCEEDED
    job = await caller.settled(made.job_id)
    assert (job.account_id, job.settlement) == (account.account_id, Job.SETTLEMENT_SETTLED)
    assert json.loads(job.output_json) == {"message": "x", "seconds": 0}
    assert (job.reserved_micros, job.captured_micros) == (70_000, 10_000)
    assert (job.reference, dict(job.labels)) == ("order-1", {"team": "search"})
    found = await caller.call("GetBalance")
    assert found.account.account_id == account.account_id
    assert (found.credits.available_micros, found.credits.spent_micros) == (99_990_000, 10_000)
    assert [grant.available_micros for grant in found.grants] == [99_990_000]


async def test_a_quote_is_kept(caller: GrpcCaller) -> None:
    """What QuotePrice promised is what is reserved, once."""
    quote = (await caller.call("QuotePrice", tool="echo", input_json=ECHO)).quote
    assert (quote.amount_max_micros, quote.exact) == (70_000, False)
    job = await caller.execute("r", ECHO, quote_id=quote.quote_id)
    assert (job.job_id, job.reserved_micros) == (quote.job_id, 70_000)
    used = await caller.refused("SubmitJob", request_id="r2", tool="echo", input_json=ECHO, quote_id=quote.quote_id)
    assert (used.reason, used.metadata["job_id"]) == ("QUOTE_USED", quote.job_id)


async def test_a_failed_tool_is_an_outcome(caller: GrpcCaller) -> None:
    """A job that ended is told as such, whatever its ending."""
    job = await caller.execute("r", b'{"message": "x", "outcome": "failure"}')
    assert (job.state, job.captured_micros, bool(job.error.reason)) == (Job.STATE_FAILED, 0, True)


async def test_a_job_is_submitted_and_followed(caller: GrpcCaller) -> None:
    """SubmitJob does not wait; WatchJob tells the job as it is and every change, until it is settled."""
    submitted = await caller.submit("r", SLOW)
    assert not submitted.replayed
    assert submitted.job.state in (Job.STATE_QUEUED, Job.STATE_RUNNING)
    job_id = submitted.job.job_id
    seen = [one.job async for one in caller.stream("WatchJob", job_id=job_id)]
    assert seen[0].state in (Job.STATE_QUEUED, Job.STATE_RUNNING)
    assert (seen[-1].state, seen[-1].settlement) == (Job.STATE_SUCCEEDED, Job.SETTLEMENT_SETTLED)
    assert all(one != after for one, after in itertools.pairwise(seen))
    found = (await caller.call("GetJob", job_id=job_id)).job
    assert [attempt.ending for attempt in found.attempts_made] == ["ANSWERED"]
    found.ClearField("attempts_made")
    assert found == seen[-1]
    (last,) = [one.job async for one in caller.stream("WatchJob", job_id=job_id)]
    last.ClearField("attempts_made")
    assert last == seen[-1]


async def test_a_job_is_timed_and_canceled(caller: GrpcCaller) -> None:
    """It waits for its time, is canceled free of charge, and said again it is the same."""
    later = Timestamp(seconds=int(clock.now().timestamp()) + 3_600)
    made = await caller.submit("r", ECHO, run_after=later, priority=Job.PRIORITY_INTERACTIVE)
    assert (made.job.state, made.job.run_after) == (Job.STATE_QUEUED, later)
    assert made.job.priority == Job.PRIORITY_INTERACTIVE
    for _ in range(2):
        canceled = (await caller.call("CancelJob", request_id="c", job_id=made.job.job_id)).job
        assert (canceled.state, canceled.error.reason) == (Job.STATE_CANCELED, "CANCELED")
    assert (await caller.settled(made.job.job_id)).captured_micros == 0
    refusal = await caller.refused("SubmitJob", request_id="r", tool="echo", input_json=ECHO)
    assert refusal.reason == "REQUEST_ID_REUSED", "other times are other content"
    refusal = await caller.refused("CancelJob", request_id="c", job_id=f"job_{'a' * 26}")
    assert refusal.reason == "JOB_NOT_FOUND"


async def test_a_file_comes_beside_the_input(caller: GrpcCaller) -> None:
    """Named in the JSON by its hash, left out of it, or as a data: URL in it: it is the same input."""
    content = pdf("Where words fail")
    name = f"sha256:{hashlib.sha256(content).hexdigest()}"
    files = [catalog_pb2.InputFile(property="pdf", media_type="application/pdf", data=content)]
    jobs = [
        await caller.execute("r", json.dumps(given).encode(), tool="pdf-to-text", files=beside)
        for given, beside in (({}, files), ({"pdf": name}, files), ({"pdf": data_url(content)}, []))
    ]
    assert {job.state for job in jobs} == {Job.STATE_SUCCEEDED}
    assert len({job.job_id for job in jobs}) == 1


def data_url(content: bytes) -> str:
    return "data:application/pdf," + "".join(f"%{byte:02x}" for byte in content)


async def test_a_request_id_leads_to_one_job(caller: GrpcCaller) -> None:
    """Said again, also by the other command, it is the first job, as it is now, and is paid once."""
    first = await caller.submit("r", SLOW)
    again = await caller.submit("r", b'{ "delay_seconds": 2.0, "message": "x" }')
    assert (first.replayed, again.replayed, again.job.job_id) == (False, True, first.job.job_id)
    answers = [one async for one in caller.stream("ExecuteTool", request_id="r", tool="echo", input_json=SLOW)]
    # What lies between depends on how far the job is.
    assert (answers[0].replayed, answers[-1].replayed) == (True, False)
    assert {answers[0].accepted.job_id, answers[-1].outcome.job_id} == {first.job.job_id}
    assert (await caller.settled(first.job.job_id)).captured_micros == 12_000
    assert (await caller.call("GetBalance")).credits.spent_micros == 12_000


async def test_requests_at_once_under_one_id_make_one_job(caller: GrpcCaller, system: System, account: Account) -> None:
    """Of many at the same time one drives; the others get its job, or are told that it is under way."""

    async def submit() -> str:
        try:
            return (await caller.submit("r", ECHO)).job.job_id
        except Refusal as refusal:
            assert (refusal.reason, refusal.code) == ("REQUEST_IN_FLIGHT", grpc.StatusCode.ABORTED)
            return refusal.metadata["job_id"]

    assert len(set(await asyncio.gather(*(submit() for _ in range(20))))) == 1
    assert len(await system.jobs(account)) == 1


@pytest.mark.parametrize(
    "changed",
    [{"input_json": OTHER}, {"labels": {"a": "b"}}, {"tool": "detect-language", "input_json": b'{"text": "x"}'}],
)
async def test_a_request_id_is_for_one_content(caller: GrpcCaller, changed: dict[str, Any]) -> None:
    """Other content under the same id is refused, and changes nothing."""
    first = await caller.execute("r", ECHO)
    command = {"request_id": "r", "tool": "echo", "input_json": ECHO} | changed
    for method in ("ExecuteTool", "SubmitJob"):
        refusal = await caller.refused(method, **command)
        assert (refusal.reason, refusal.code) == ("REQUEST_ID_REUSED", grpc.StatusCode.ALREADY_EXISTS)
    assert (await caller.submit("r", ECHO)).job.job_id == first.job_id


async def test_both_doors_share_their_keys(caller: GrpcCaller, system: System, account: Account) -> None:
    """A request id is an Idempotency-Key: through the other door the same request is the same job, no other one is."""
    over_http = (await system.execute(account, {"message": "x"}, Idempotency_Key="h")).json()
    again = await caller.submit("h", ECHO)
    assert (again.replayed, again.job.job_id) == (True, over_http["job_id"])
    refusal = await caller.refused("SubmitJob", request_id="h", tool="echo", input_json=OTHER)
    assert refusal.reason == "REQUEST_ID_REUSED"

    over_grpc = await caller.execute("g", ECHO)
    answer = await system.execute(account, {"message": "x"}, Idempotency_Key="g")
    assert (answer.json()["job_id"], answer.headers["idempotent-replayed"]) == (over_grpc.job_id, "true")
    other = await system.execute(account, {"message": "y"}, Idempotency_Key="g")
    assert other.json()["reason"] == "REQUEST_ID_REUSED"
    assert len(await system.jobs(account)) == 2


@pytest.mark.parametrize("method", ["ExecuteTool", "WatchJob"])
async def test_a_deadline_ends_the_call_and_not_the_job(caller: GrpcCaller, method: str) -> None:
    """The caller hears no outcome; the job ends as if he had waited, and he can ask for it."""
    job_id = (await caller.submit("r", SLOW)).job.job_id
    fields = {"request_id": "r", "tool": "echo", "input_json": SLOW} if method == "ExecuteTool" else {"job_id": job_id}
    refusal = await caller.refused(method, timeout=0.5, **fields)
    assert refusal.reason == "UPSTREAM_UNAVAILABLE"
    job = await caller.execute("r", SLOW)
    assert (job.job_id, job.state) == (job_id, Job.STATE_SUCCEEDED)
    assert (await caller.settled(job_id)).captured_micros == 12_000


async def test_a_caller_that_leaves_at_once_leaves_nothing_half_done(
    caller: GrpcCaller, system: System, account: Account
) -> None:
    """However early calls are given up, each request id leads to one job, and no credits stay reserved without one."""
    numbers = range(1, 20)

    async def give_up(number: int) -> None:
        with contextlib.suppress(Refusal):
            await caller.execute(f"r{number}", ECHO, timeout=0.004 * number)

    async def executed(number: int) -> executor_pb2.Job | None:
        try:
            return await caller.execute(f"r{number}", ECHO)
        except Refusal as refusal:
            assert refusal.reason == "REQUEST_IN_FLIGHT"
            return None

    await asyncio.gather(*map(give_up, numbers))
    jobs = [await eventually(lambda number=number: executed(number), 20) for number in numbers]
    for job in jobs:
        await caller.settled(job.job_id)
    assert len(await system.jobs(account)) == len(numbers)
    credits = (await caller.call("GetBalance")).credits
    assert (credits.reserved_micros, credits.spent_micros) == (0, 10_000 * len(numbers))


async def test_the_trace_goes_on(caller: GrpcCaller) -> None:
    """The job carries the caller's trace."""
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    metadata = (caller.peer.metadata()[0], ("traceparent", f"00-{trace_id}-00f067aa0ba902b7-01"))
    request = gateway_pb2.SubmitJobRequest(request_id="r", tool="echo", input_json=ECHO)
    answer = await caller.stub.SubmitJob(request, metadata=metadata, timeout=10)
    assert answer.job.trace_id == trace_id
