"""Group commit: while one batch is on its way, what arrives waits and goes together as the next.

No timer and no size to tune: alone, an item goes at once; under load, a batch is what arrived during one round trip.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from services.runtime import logs
from services.runtime.errors import Refusal, unavailable
from services.runtime.lifecycle import Signal
from services.runtime.postgres import OUTAGES

log = logs.get("grouping")

Item = TypeVar("Item")
Result = TypeVar("Result")


class Grouped(Generic[Item, Result]):
    """Hands waiting items to `commit`, which answers one result each, in order. `run` is its worker."""

    def __init__(
        self,
        service: str,
        name: str,
        commit: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        batch_max: int = 500,
        waiting_max: int = 10_000,
    ) -> None:
        self._service = service
        self._name = name
        self._commit = commit
        self._batch_max = batch_max
        self._waiting_max = waiting_max
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._arrived = Signal()

    async def do(self, item: Item) -> Result:
        """The result of one item. It may take effect even where the caller went away; raises RATE_LIMITED when full."""
        if len(self._waiting) >= self._waiting_max:
            raise Refusal(
                "RATE_LIMITED",
                f"{self._waiting_max} requests are waiting already; try again shortly",
                {"waiting_max": self._waiting_max, "retry_after_seconds": 1},
            )
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._arrived.poke()
        return await future

    async def run(self) -> None:
        """Commits batches for ever; when it is stopped, whoever waits is told to try elsewhere."""
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        try:
            while True:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._batch_max))]
                if batch:
                    await self._commit_batch(batch)
                else:
                    await self._arrived.wait(60)
        finally:
            for _, future in (*batch, *self._waiting):
                if not future.done():
                    future.set_exception(unavailable(self._service))
            self._waiting.clear()

    async def _commit_batch(self, batch: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._commit([item for item, _ in batch])
        except (*OUTAGES, Refusal) as error:
            _fail(batch, error)
        except Exception as error:  # noqa: BLE001 (whoever waits for it is told, and the loop goes on)
            if len(batch) == 1:
                _fail(batch, error)
                return
            # One item that cannot be written must not take the others along.
            log.error("batch_failed", group=self._name, n=len(batch), error=repr(error))
            for entry in batch:
                await self._commit_batch([entry])
        else:
            for (_, future), result in zip(batch, results, strict=True):
                # Whoever waited may be gone.
                if not future.done():
                    future.set_result(result)


def _fail(batch: Sequence[tuple[Item, asyncio.Future[Result]]], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
