"""Items of an async generator, waited for no longer than one wants: an item that is late is not lost."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Generic, TypeVar, cast

Item = TypeVar("Item")
# Generators that come to their end beside whoever has no time for it.
_closing: set[asyncio.Task[None]] = set()


class Pulled(Generic[Item]):
    """Used as a context manager, which ends the generator wherever it stands and waits for nothing, as the task it is
    used in may be cancelled over and over."""

    def __init__(self, items: AsyncIterator[Item]) -> None:
        self._items = cast("AsyncGenerator[Item, None]", items)
        self._next: asyncio.Task[list[Item]] | None = None
        self.is_over = False
        """Whether there is no further item."""

    def __enter__(self) -> "Pulled[Item]":
        return self

    def __exit__(self, *_: object) -> None:
        if self._next is not None:
            # The generator ends within it.
            self._next.cancel()
            self._next.add_done_callback(_seen)
            return
        task = asyncio.create_task(self._close())
        _closing.add(task)
        task.add_done_callback(_closing.discard)

    async def next(self, seconds: float) -> Item | None:
        """The next item; None where none comes within `seconds`, or none at all. Raises what the generator raises."""
        if self.is_over:
            return None
        if self._next is None:
            self._next = asyncio.create_task(self._pull())
        done, _ = await asyncio.wait({self._next}, timeout=max(seconds, 0))
        if not done:
            return None
        task, self._next = self._next, None
        pulled = task.result()
        self.is_over = not pulled
        return pulled[0] if pulled else None

    async def _pull(self) -> list[Item]:
        try:
            return [await anext(self._items)]
        except StopAsyncIteration:
            return []

    async def _close(self) -> None:
        await self._items.aclose()


def _seen(task: asyncio.Task[list[Item]]) -> None:
    """What it raised as it ended concerns nobody any more."""
    if not task.cancelled():
        task.exception()
