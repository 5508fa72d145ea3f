"""Waiting for a condition, with a deadline and words for when it does not come true."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from services.runtime import clock

LOOK_SECONDS = 0.02


async def eventually(
    condition: Callable[[], Any | Awaitable[Any]], seconds: float = 10.0, otherwise: Callable[[], str] | str = ""
) -> Any:
    """What `condition` answers once it is true; AssertionError after `seconds`."""
    deadline = clock.monotonic() + seconds
    while True:
        answer = condition()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        if clock.monotonic() > deadline:
            words = otherwise() if callable(otherwise) else otherwise
            raise AssertionError(words or f"not true within {seconds} seconds")
        await asyncio.sleep(LOOK_SECONDS)
