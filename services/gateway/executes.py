"""Executes of both doors: each has its order driven, and there are only so many at a time."""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

from services.gateway import idempotency, inputs
from services.gateway.keyed_saga import KeyedSaga
from services.gateway.saga import Driven, Order, Saga
from services.runtime.errors import Refusal

IN_FLIGHT_MAX = 2_000

T = TypeVar("T")


class Executes:
    """Has orders driven. One a process: the limit is for both doors together."""

    def __init__(self, saga: Saga, keyed: KeyedSaga, limit: int = IN_FLIGHT_MAX) -> None:
        self._saga = saga
        self._keyed = keyed
        self._limit = limit
        self._count = 0

    @contextlib.contextmanager
    def one_more(self) -> Iterator[None]:
        """Counts one while the body runs; raises UPSTREAM_UNAVAILABLE at the limit."""
        if self._count >= self._limit:
            raise Refusal(
                "UPSTREAM_UNAVAILABLE",
                f"{self._limit} executes are under way here, which is the limit; try again shortly",
                {"dependency": "gateway", "limit": self._limit, "retry_after_seconds": 1},
            )
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1

    async def start(self, order: Order, key: str | None) -> Driven:
        """The job of an order; with a key, the one that was made for it before; raises Refusal.

        A caller who goes away meanwhile ends the call and not the saga, which would leave credits reserved for nothing.
        """
        return await _to_its_end(self._start(order, key))

    async def _start(self, order: Order, key: str | None) -> Driven:
        if key is None:
            return await self._saga.start(order)
        digest = await inputs.digest(order.input)
        content = idempotency.fingerprint(order.tool, digest, order.quote_id, order.labels)
        return await self._keyed.start(order, key, content)


async def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """What `work` answers. Cancelled, it is waited for all the same; every step of a saga has a deadline of its own."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            # Nobody is there any more to hear of it.
            task.exception()
        raise
