"""The ledger in process: commands straight into the commit loops, through no door."""

import contextlib
import itertools
from collections.abc import AsyncIterator, Iterable, Sequence

from bench.ledger.commands import Author, new_id, openings, pairs
from bench.load import account_name
from services.ledger.application.ledger import Ledger
from services.ledger.application.results import Answer
from services.ledger.domain.commands import Command
from services.runtime import clock, lifecycle, postgres

SHARDS = 16
# Commands of a call that fills a ledger.
FILL = 16_000
# Coprime to any number of accounts it is used with: every account comes up, neighbours far apart.
STRIDE = 7_919


class Engine:
    """One ledger, whose every answer must be an Answer."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    async def execute(self, commands: Sequence[Command]) -> list[Answer]:
        """The answers; raises AssertionError for a refusal."""
        results = await self.ledger.execute(commands)
        answers = [result for result in results if isinstance(result, Answer)]
        if len(answers) < len(results):
            raise AssertionError(next(result for result in results if not isinstance(result, Answer)))
        return answers

    async def fill(self, accounts: Iterable[str], grants: int = 1) -> None:
        """Opens accounts, rich ones, with so many grants each."""
        left = iter(accounts)
        while some := list(itertools.islice(left, max(FILL // (1 + grants), 1))):
            await self.execute(openings(some, grants))

    async def pair(self, account_id: str) -> None:
        """One reserve and its capture, each durable before the next."""
        author, reservation_id = Author(), new_id()
        await self.execute([author.reserve(account_id, reservation_id)])
        await self.execute([author.capture(account_id, reservation_id)])

    async def bulk(self, accounts: int, commands: int, seconds: float) -> tuple[float, int]:
        """(seconds a command, commands) of calls with so many commands, one call after the other.

        Making the commands is not counted; accounts come up in turn.
        """
        turns = itertools.count()
        spent, done = 0.0, 0
        while spent < seconds:
            some = pairs(account_name(next(turns) * STRIDE % accounts) for _ in range(commands // 2))
            began = clock.monotonic()
            await self.execute(some)
            spent += clock.monotonic() - began
            done += len(some)
        return spent / done, done


@contextlib.asynccontextmanager
async def opened(
    dsn: str, writer: str = "bench", warm: Iterable[int] | None = None, tail_seconds: float = 60.0
) -> AsyncIterator[Engine]:
    """A ledger over a migrated database while the body runs."""
    async with postgres.open_pool(dsn, "bench") as pool:
        ledger = Ledger(dsn, pool, SHARDS, writer, warm, tail_seconds)
        async with lifecycle.background(*ledger.loops):
            yield Engine(ledger)


def names(count: int) -> Iterable[str]:
    """Ids of the first accounts, as loads name them."""
    return map(account_name, range(count))
