"""The main job under an idempotency key: every retry, on any gateway and through either door, leads to the same job
and the same answer.
"""

from dataclasses import replace

from scrip.catalog.v1 import catalog_pb2

from services.gateway.idempotency import IdempotencyStore, Row
from services.gateway.rates import Standing
from services.gateway.saga import Driven, Order, ReservationGone, Saga, quote_used
from services.runtime.errors import Refusal

# A quote whose reservation is gone is replaced once a request; who finds that gone too has met a broken clock.
QUOTES_MAX = 2


class KeyedSaga:
    """Drives orders that came with a key."""

    def __init__(self, saga: Saga, store: IdempotencyStore) -> None:
        self._saga = saga
        self._store = store

    async def start(self, order: Order, key: str, fingerprint: bytes) -> Driven:
        """The job of an order, made now or before; raises Refusal.

        REQUEST_ID_REUSED for a key that was used with other content, REQUEST_IN_FLIGHT while another request with it
        has not got its job yet.
        """
        row = await self._store.find(order.account_id, key)
        if row is None:
            quote = await self._quote(order)
            row = await self._store.begin(order.account_id, key, fingerprint, quote)
            if row is not None:
                return await self._drive(order, row, quote, first=True)
            row = await self._store.find(order.account_id, key)
            if row is None:
                # The other request was refused in between, and its row is gone.
                raise in_flight(quote.job_id)
        if row.fingerprint != fingerprint:
            raise Refusal("REQUEST_ID_REUSED", "this idempotency key was used for a request with other content")
        if refusal := row.stored_refusal():
            raise refusal
        return await self._attach(order, row)

    async def _attach(self, order: Order, row: Row) -> Driven:
        job = await self._saga.find_job(row.account_id, row.job_id)
        if job is not None:
            return Driven(job, replayed=True)
        held = await self._store.take_over(row)
        if held is None:
            raise in_flight(row.job_id)
        return await self._drive(order, held, catalog_pb2.Quote.FromString(held.quote))

    async def _drive(self, order: Order, row: Row, quote: catalog_pb2.Quote, first: bool = False) -> Driven:
        """Drives a row that is held by this request, and leaves it so that a retry finds its way.

        `first`: nobody drove it before, so a job that is there already was made by another request with its quote.
        """
        row, standings = await self._count(row, quote)
        for _ in range(QUOTES_MAX):
            try:
                driven = await self._try(order, row, quote)
                if order.quote_id and (driven is None or (driven.replayed and first)):
                    raise quote_used(quote.job_id)
                if driven is not None:
                    return replace(driven, standings=standings)
                quote = await self._quote(order)
            except Refusal as refusal:
                await self._leave(row, refusal)
                raise
            replaced = await self._store.replace(row, quote)
            if replaced is None:
                raise in_flight(row.job_id)
            row = replaced
        await self._store.let_go(row)
        raise Refusal("INTERNAL", "reservations end before they are used")

    async def _count(self, row: Row, quote: catalog_pb2.Quote) -> tuple[Row, tuple[Standing, ...]]:
        """Counts the row's execution against the limits that apply, unless a driver before this one has.

        The row says so before anything else is done: a retry of what fails from here on does not count again.
        """
        if row.counted:
            return row, ()
        try:
            standings = await self._saga.count(quote)
            counted = await self._store.mark_counted(row) if standings else row
        except Refusal as refusal:
            await self._leave(row, refusal)
            raise
        if counted is None:
            raise in_flight(row.job_id)
        return counted, standings

    async def _try(self, order: Order, row: Row, quote: catalog_pb2.Quote) -> Driven | None:
        """The row's job; None when nothing will ever come of its quote."""
        try:
            return await self._saga.drive(order, quote, comes_again=True)
        except ReservationGone:
            job = await self._saga.find_job(row.account_id, row.job_id)
            return Driven(job, replayed=True) if job else None

    async def _leave(self, row: Row, refusal: Refusal) -> None:
        if refusal.reason == "INSUFFICIENT_CREDITS":
            await self._store.refuse(row, refusal)
        elif refusal.http_status >= 500:
            await self._store.let_go(row)
        else:
            await self._store.forget(row)

    async def _quote(self, order: Order) -> catalog_pb2.Quote:
        return await self._saga.quote(order.account_id, order.tool, order.input, order.quote_id)


def in_flight(job_id: str) -> Refusal:
    """Another request with the same key is at it."""
    return Refusal(
        "REQUEST_IN_FLIGHT",
        "a request with this idempotency key is under way; try again shortly",
        {"job_id": job_id, "retry_after_seconds": 1},
    )
