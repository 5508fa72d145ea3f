"""The main job: quote → reserve → submit. What may be repeated, by whom, and what is undone when it fails.

The quote has no effect. The reservation's and the job's id is the quote's, so whoever repeats a step with the same
quote, on whichever gateway, finds what is there instead of making another. From the submit on, the job is the
executor's: it extends the reservation before it calls anything, and ends it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from scrip.catalog.v1 import catalog_pb2
from scrip.executor.v1 import executor_pb2
from scrip.ledger.v1 import ledger_pb2

from scrip_client import Answer
from services.gateway.inputs import Input
from services.gateway.peers import Attempts, Peers
from services.gateway.rate_limits import RateLimits
from services.gateway.rates import Standing
from services.gateway.timing import ANY_TIME, Timing
from services.runtime import clock, ids, logs, tracing
from services.runtime.errors import Refusal, unavailable

log = logs.get("saga")

QUOTE_SECONDS = 5.0
# Both together, with the release after a failure, stay below what a driver may hold an idempotency row for.
RESERVE_SECONDS = 2.0
SUBMIT_SECONDS = 2.0
RELEASE_SECONDS = 0.4
GET_JOB_SECONDS = 2.0
# Bridges reserve → accept; the executor extends it.
RESERVE_TTL = timedelta(seconds=60)
NOT_AFTER_MARGIN = timedelta(seconds=5)
# A reservation that lasts longer than it was made for was extended: the executor has the job.
EXTENDED = 2 * RESERVE_TTL
_INTERACTIVE, _BATCH = executor_pb2.Job.PRIORITY_INTERACTIVE, executor_pb2.Job.PRIORITY_BATCH


@dataclass(frozen=True, slots=True)
class Order:
    """What a caller wants run. `quote_id` is empty where no quote was made before."""

    account_id: str
    key_id: str
    tool: str
    input: Input
    quote_id: str
    reference: str
    labels: Mapping[str, str]
    timing: Timing = ANY_TIME


@dataclass(frozen=True, slots=True)
class Driven:
    """A job, whether it was there before this request, and how things stand with the limits it was counted against."""

    job: executor_pb2.Job
    replayed: bool
    standings: tuple[Standing, ...] = ()


class ReservationGone(Exception):
    """The quote's reservation ended or can no longer be made, so nothing will ever come of this quote."""


class Saga:
    """Drives orders to jobs."""

    def __init__(self, peers: Peers, rates: RateLimits) -> None:
        self._catalog = peers.catalog
        self._ledger = peers.ledger
        self._executor = peers.executor
        self._rates = rates

    async def quote(
        self, account_id: str, tool: str, given: Input, quote_id: str = "", timeout: float = QUOTE_SECONDS
    ) -> catalog_pb2.Quote:
        """A new quote, or the one that `quote_id` is, if it fits; raises Refusal."""
        request = catalog_pb2.QuotePriceRequest(
            account_id=account_id, tool=tool, input_json=given.json, files=given.files, quote_id=quote_id
        )
        response = await self._catalog.peer.call(self._catalog.stub.QuotePrice, request, timeout)
        return response.quote

    async def start(self, order: Order) -> Driven:
        """The job of an order that came without an Idempotency-Key; raises Refusal, QUOTE_USED for a used quote."""
        quote = await self.quote(order.account_id, order.tool, order.input, order.quote_id)
        standings = await self.count(quote)
        try:
            driven = await self.drive(order, quote)
        except ReservationGone:
            raise (quote_used(quote.job_id) if order.quote_id else unavailable("ledger")) from None
        if driven.replayed:
            raise quote_used(quote.job_id)
        return replace(driven, standings=standings)

    async def count(self, quote: catalog_pb2.Quote) -> tuple[Standing, ...]:
        """Counts an execution against the limits that apply to it, before anything is reserved; raises RATE_LIMITED."""
        return await self._rates.count(quote)

    async def drive(self, order: Order, quote: catalog_pb2.Quote, *, comes_again: bool = False) -> Driven:
        """Reserves and submits, once or again; raises Refusal, and ReservationGone when a new quote is needed.

        `comes_again`: whoever is not told how it went can ask again for the same job. Then a reservation of which it is
        not known whether the executor has its job is left to it; if not, to the retry, or it lapses within a minute.
        """
        reserved = await self._reserve(order, quote)
        reservation: ledger_pb2.Reservation = reserved.response.reservation
        if reservation.state != ledger_pb2.Reservation.STATE_OPEN:
            raise ReservationGone
        attempts = Attempts()
        request = executor_pb2.SubmitJobRequest(
            quote=quote,
            input_json=order.input.json,
            files=order.input.files,
            key_id=order.key_id,
            reference=order.reference,
            labels=order.labels,
            run_after=order.timing.run_after,
            cancel_after=order.timing.cancel_after,
            priority=_BATCH if order.timing.is_batch else _INTERACTIVE,
        )
        try:
            submit = attempts.of(self._executor.stub.SubmitJob)
            submitted = await self._executor.peer.call(submit, request, SUBMIT_SECONDS)
        except Refusal as refusal:
            is_ours = reserved.doubtful or not reserved.response.replayed
            if is_ours and not (comes_again and refusal.reason == "UPSTREAM_UNAVAILABLE"):
                await self._give_back(quote)
            raise
        return Driven(submitted.job, submitted.replayed and not attempts.doubtful)

    async def find_job(self, account_id: str, job_id: str) -> executor_pb2.Job | None:
        """An account's job; raises UPSTREAM_UNAVAILABLE when nobody can tell."""
        request = executor_pb2.GetJobRequest(account_id=account_id, job_id=job_id)
        try:
            response = await self._executor.peer.call(self._executor.stub.GetJob, request, GET_JOB_SECONDS)
        except Refusal as refusal:
            if refusal.reason == "JOB_NOT_FOUND":
                return None
            raise
        return response.job

    async def _reserve(self, order: Order, quote: catalog_pb2.Quote) -> Answer:
        not_after = Timestamp()
        not_after.FromDatetime(quote.expires_at.ToDatetime() + NOT_AFTER_MARGIN)
        ttl = Duration()
        ttl.FromTimedelta(RESERVE_TTL)
        request = ledger_pb2.ReserveCreditsRequest(
            # New each time, so that a refusal does not use up the quote.
            request_id=ids.uuid7(),
            account_id=order.account_id,
            reservation_id=quote.job_id,
            amount_micros=quote.amount_max_micros,
            ttl=ttl,
            not_after=not_after,
            subject=ledger_pb2.Subject(
                reference=order.reference,
                labels=order.labels,
                key_id=order.key_id,
                tool=quote.tool,
                tool_version=quote.version,
                price_version=quote.price_version,
                trace_id=tracing.trace_id(),
            ),
        )
        try:
            command = ledger_pb2.Command(reserve_credits=request)
            return await self._ledger.call(self._ledger.client.answer, command, RESERVE_SECONDS)
        except Refusal as refusal:
            if refusal.reason == "REQUEST_EXPIRED":
                raise ReservationGone from None
            raise

    async def _give_back(self, quote: catalog_pb2.Quote) -> None:
        """Releases the reservation of a job that nobody took, as best it can; if not, it lapses within a minute.

        The executor may have taken the job and only its answer got lost. Then it extended the reservation, which is
        left to it; and should it extend later, it finds the reservation ended and calls nothing.
        """
        call, client = self._ledger.call, self._ledger.client
        question = ledger_pb2.GetReservationRequest(account_id=quote.account_id, reservation_id=quote.job_id)
        try:
            found = await call(client.get_reservation, question, RELEASE_SECONDS)
            if found.reservation.expires_at.ToDatetime(tzinfo=clock.EPOCH.tzinfo) > clock.now() + EXTENDED:
                return
            release = ledger_pb2.ReleaseReservationRequest(
                request_id=f"abort-{quote.job_id}-{ids.uuid7()}",
                account_id=quote.account_id,
                reservation_id=quote.job_id,
            )
            await call(client.release, release, RELEASE_SECONDS)
        except Refusal as refusal:
            log.warning("reservation_left_to_lapse", job_id=quote.job_id, reason=refusal.reason)


def quote_used(job_id: str) -> Refusal:
    """The quote led to a job before."""
    return Refusal("QUOTE_USED", f"this quote was used for job {job_id}", {"job_id": job_id})
