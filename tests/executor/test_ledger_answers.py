"""What the executor makes of the ledger's rarer answers."""

from collections.abc import AsyncIterator

import grpc
import pytest
from scrip.catalog.v1 import catalog_pb2
from scrip.executor.v1 import executor_pb2
from scrip.ledger.v1 import ledger_pb2

from services.executor.upkeep.reservations import ATTEMPTS
from tests.executor.doubles import (
    UNSAFE_VERSION,
    CatalogDouble,
    Command,
    LedgerDouble,
    Result,
    agreed,
    refused,
    serving,
)
from tests.executor.saga import Saga
from tests.executor.samples import quote
from tests.harness.processes import Services
from tests.harness.waiting import eventually

Job = executor_pb2.Job
Code = grpc.StatusCode


class Bench:
    """The executor between two doubles."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.ledger = LedgerDouble()
        self.catalog = CatalogDouble()
        self.saga = Saga(services)

    async def submit(self, made: catalog_pb2.Quote | None = None, **given: object) -> str:
        made = made or quote()
        await self.saga.submit(made, {"message": "hi", **given}, reference="order 7", labels={"team": "red"})
        return made.job_id

    async def settled(self, job_id: str) -> Job:
        return await self.saga.settled("acme", job_id)

    async def moved(self, job_id: str, state: Job.State) -> Job:
        async def has_moved() -> Job | None:
            job = await self.saga.job("acme", job_id)
            return job if job.state == state else None

        return await eventually(has_moved, 25, lambda: self.services.last_words("executor"))

    def row(self, job_id: str) -> tuple[object, ...]:
        (row,) = self.services.query(
            "executor",
            "SELECT settlement_reason, settle_tries, attempts, charge_micros, shortfall_micros FROM job"
            " WHERE job_id = %s",
            job_id,
        )
        return row


@pytest.fixture
async def bench(services: Services) -> AsyncIterator[Bench]:
    bench = Bench(services)
    async with serving(services, bench.ledger, bench.catalog):
        await services.start("executor")
        yield bench


async def test_what_the_ledger_is_sent(bench: Bench) -> None:
    """Extended to thirty days, captured once as a final total, with all an event wants to know."""
    job_id = await bench.submit(delay_seconds=0.01)
    job = await bench.settled(job_id)
    extend = bench.ledger.sent[0].extend_reservation
    assert (extend.request_id, extend.reservation_id) == (f"extend-{job_id}", job_id)
    assert extend.ttl.seconds == 30 * 24 * 3600
    (settlement,) = bench.ledger.settlements(job_id)
    capture = settlement.capture_reservation
    assert (capture.request_id, capture.account_id) == (f"settle-{job_id}", "acme")
    assert (capture.captured_total_micros, capture.final) == (110, True)
    subject = capture.subject
    assert (subject.tool, subject.tool_version, subject.price_version) == ("echo", 1, 1)
    assert (subject.reference, dict(subject.labels)) == ("order 7", {"team": "red"})
    assert subject.trace_id == job.trace_id != ""
    assert (job.captured_micros, dict(job.units)) == (110, {"second": 1})


async def test_a_reservation_that_is_not_open_ends_the_job_before_anything_is_called(bench: Bench) -> None:
    """FAILED, RESERVATION_ENDED, for nothing; the reservation is released all the same."""

    def expired(command: Command) -> Result:
        if command.WhichOneof("command") == "extend_reservation":
            state = ledger_pb2.Reservation.STATE_EXPIRED
            response = ledger_pb2.ExtendReservationResponse(reservation=ledger_pb2.Reservation(state=state))
            return Result(extend_reservation=response)
        return refused(Code.FAILED_PRECONDITION, "RESERVATION_ENDED", state="EXPIRED", captured_micros="0")

    bench.ledger.answer = expired
    job = await bench.settled(await bench.submit())
    assert (job.state, job.error.reason, job.attempts) == (Job.STATE_FAILED, "RESERVATION_ENDED", 0)
    assert (job.settlement, job.captured_micros) == (Job.SETTLEMENT_SETTLED, 0)


@pytest.mark.parametrize(
    ("answer", "settlement", "captured", "reason"),
    [
        (refused(Code.FAILED_PRECONDITION, "CAPTURE_EXCEEDS_RESERVED"), "REFUSED", 0, "CAPTURE_EXCEEDS_RESERVED"),
        (refused(Code.NOT_FOUND, "RESERVATION_NOT_FOUND"), "REFUSED", 0, "RESERVATION_NOT_FOUND"),
        (refused(Code.FAILED_PRECONDITION, "RESERVATION_ENDED", captured_micros="100"), "SETTLED", 100, ""),
        (
            refused(Code.FAILED_PRECONDITION, "RESERVATION_ENDED", captured_micros="0"),
            "REFUSED",
            0,
            "RESERVATION_ENDED",
        ),
    ],
)
async def test_a_definite_answer_ends_a_settlement(
    bench: Bench, answer: Result, settlement: str, captured: int, reason: str
) -> None:
    """Refused for good is REFUSED with its reason; ended before with just that capture is SETTLED."""
    bench.ledger.answer = lambda command: (
        answer if command.WhichOneof("command") == "capture_reservation" else agreed(command)
    )
    job_id = await bench.submit()
    job = await bench.settled(job_id)
    assert job.settlement == Job.Settlement.Value(f"SETTLEMENT_{settlement}")
    assert job.captured_micros == captured
    assert bench.row(job_id)[0] == reason
    assert len(bench.ledger.settlements(job_id)) == 1


async def test_a_passing_refusal_is_asked_again(bench: Bench) -> None:
    """UNAVAILABLE for one command lets its settlement wait, and nobody else's."""
    stuck = quote()
    wanted = {"n": 0}

    def once_later(command: Command) -> Result:
        if command.capture_reservation.reservation_id == stuck.job_id and wanted["n"] < 2 * ATTEMPTS:
            wanted["n"] += 1
            return refused(Code.UNAVAILABLE, "UPSTREAM_UNAVAILABLE")
        return agreed(command)

    bench.ledger.answer = once_later
    first = await bench.submit(stuck)
    others = [await bench.submit() for _ in range(3)]
    for job_id in others:
        assert (await bench.settled(job_id)).settlement == Job.SETTLEMENT_SETTLED
    assert (await bench.settled(first)).settlement == Job.SETTLEMENT_SETTLED
    assert bench.row(first)[1] == 2


async def test_a_command_that_breaks_the_call_holds_nobody_up(bench: Bench) -> None:
    """A batch the ledger chokes on is parted until the bad command stands alone."""
    bad = quote()
    bench.ledger.whole_call = lambda commands: (
        Code.INTERNAL if any(command.capture_reservation.reservation_id == bad.job_id for command in commands) else None
    )
    held_up = await bench.submit(bad)
    others = [await bench.submit() for _ in range(8)]
    for job_id in others:
        assert (await bench.settled(job_id)).settlement == Job.SETTLEMENT_SETTLED
    assert (await bench.saga.job("acme", held_up)).settlement == Job.SETTLEMENT_PENDING
    bench.ledger.whole_call = lambda _commands: None
    assert (await bench.settled(held_up)).settlement == Job.SETTLEMENT_SETTLED


async def test_a_ledger_that_is_away_fails_no_job(bench: Bench) -> None:
    """While extensions have no answer jobs wait without an attempt; afterwards they run."""
    bench.ledger.whole_call = lambda _commands: Code.UNAVAILABLE
    job_ids = [await bench.submit() for _ in range(5)]

    async def has_been_tried() -> bool:
        (row,) = bench.services.query("executor", "SELECT max(fence) FROM job")
        return int(str(row[0])) >= 3

    await eventually(has_been_tried, 20)
    for job_id in job_ids:
        job = await bench.saga.job("acme", job_id)
        assert (job.state, job.attempts) == (Job.STATE_QUEUED, 0)
    bench.ledger.whole_call = lambda _commands: None
    for job_id in job_ids:
        assert (await bench.settled(job_id)).state == Job.STATE_SUCCEEDED


async def test_what_costs_more_than_was_reserved_is_captured_up_to_it(bench: Bench) -> None:
    """min(measured, reserved) is captured, the rest recorded as shortfall."""
    made = quote(amount_micros=105, amount_max_micros=105)
    job_id = await bench.submit(made, delay_seconds=1.2)
    job = await bench.settled(job_id)
    assert job.captured_micros == 105
    assert bench.row(job_id)[3:] == (120, 15)


async def test_a_call_that_takes_too_long_ends_timed_out(bench: Bench) -> None:
    """TIMED_OUT, at the price its rule says: here the base."""
    made = quote()
    made.limits.timeout_ms = 400
    job = await bench.settled(await bench.submit(made, delay_seconds=30))
    assert (job.state, job.error.reason, job.captured_micros) == (Job.STATE_FAILED, "TIMED_OUT", 100)


async def test_a_crash_in_a_tool_that_may_not_run_twice_is_indeterminate(bench: Bench) -> None:
    """Unsafe: called once, INDETERMINATE, its credits stay reserved."""
    job_id = await bench.submit(quote(version=UNSAFE_VERSION), outcome="crash")
    job = await bench.moved(job_id, Job.STATE_INDETERMINATE)
    assert (job.attempts, job.error.reason, job.settlement) == (1, "OUTCOME_UNKNOWN", Job.SETTLEMENT_PENDING)
    assert bench.ledger.settlements(job_id) == []


async def test_a_crash_in_a_tool_that_may_run_twice_is_tried_three_times(bench: Bench) -> None:
    """Safe: three attempts, then FAILED for nothing."""
    job = await bench.settled(await bench.submit(outcome="crash"))
    assert (job.state, job.error.reason) == (Job.STATE_FAILED, "WORKER_CRASHED")
    assert (job.attempts, job.captured_micros) == (3, 0)


async def test_the_catalog_is_told_at_once_what_runs_here(bench: Bench) -> None:
    """The first report comes with the start; UNSPECIFIED is: it can run."""
    report = await eventually(lambda: bench.catalog.reports and bench.catalog.reports[0])
    assert report.executor_id.startswith("executor-")
    assert [(tool.slug, tool.version, tool.unavailable_reason) for tool in report.tools] == [("echo", 1, 0)]
