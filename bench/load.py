"""Load: so many callers at once, each doing the same again and again."""

import asyncio
from collections.abc import Awaitable, Callable

# Beyond the time a load takes; who is not done by then hangs.
GRACE_SECONDS = 30.0


def account_name(number: int) -> str:
    """The id of the n-th account."""
    return f"account-{number}"


async def rate(
    do: Callable[[str], Awaitable[None]],
    callers: int,
    accounts: int,
    seconds: float,
    name: Callable[[int], str] = account_name,
) -> tuple[float, int]:
    """(times a second, times) that so many tasks do `do(account)` in so long, each over accounts in turn.

    Raises TimeoutError where one hangs, and whatever `do` raises.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    done = 0

    async def caller(number: int) -> None:
        nonlocal done
        turn = number
        while loop.time() - began < seconds:
            await do(name(turn * 7919 % accounts))
            turn += callers
            done += 1

    async with asyncio.timeout(seconds + GRACE_SECONDS), asyncio.TaskGroup() as group:
        for number in range(callers):
            group.create_task(caller(number))
    return done / (loop.time() - began), done
