"""Statements: pages of the `entry` projection, once it has reached the confirmed head."""

import asyncio
from dataclasses import dataclass, replace

from services.ledger.application.ledger import Ledger
from services.ledger.store import entries, entry_pages
from services.ledger.store.entry_pages import Entry, Filter
from services.runtime import clock, logs
from services.runtime.lifecycle import Signal
from services.runtime.postgres import OUTAGES, Pool

log = logs.get("statements")

# A statement waits this long for the projection, then says how far it is.
WAIT_SECONDS = 1.0
LOOK_SECONDS = 0.02
POLL_SECONDS = 1.0
# Commits of so long go together: a round costs a handful of statements, however many commits it projects.
GATHER_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Period:
    """Recorded at or after, and before, in microseconds since the Unix epoch; 0: no bound."""

    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, newest first, and the position they are complete to."""

    entries: list[Entry]
    as_of: str


class Statements:
    """Answers statements and keeps their projection going."""

    def __init__(self, ledger: Ledger, pool: Pool, appended: Signal) -> None:
        self._ledger = ledger
        self._pool = pool
        self._appended = appended

    async def page(self, account_id: str, which: Filter, limit: int, period: Period = Period()) -> Page:
        """Entries that a filter lets through; raises AccountNotFound."""
        as_of = await self.reach(account_id)
        which = await self._within(self._ledger.shard_number(account_id), which, period)
        return Page(await entry_pages.page(self._pool, account_id, which, limit), as_of)

    async def reach(self, account_id: str) -> str:
        """The position the account's entries are complete to: the confirmed head, where it is reached in a second.

        Raises AccountNotFound.
        """
        shard, seq, position = await self._ledger.head(account_id)
        deadline = clock.monotonic() + WAIT_SECONDS
        while (reached := await entries.projected(self._pool, shard)) < seq and clock.monotonic() < deadline:  # noqa: ASYNC110 (another process may project)
            await asyncio.sleep(LOOK_SECONDS)
        return position if reached >= seq else await entries.position_at(self._pool, shard, reached)

    async def _within(self, shard: int, which: Filter, period: Period) -> Filter:
        """Times as positions: within a shard they go the same way."""
        if period.start:
            first = await entry_pages.position_from(self._pool, shard, period.start)
            which = replace(which, after=max(which.after, first - 1))
        if period.end:
            beyond = await entry_pages.position_from(self._pool, shard, period.end)
            which = replace(which, before=min(which.before, beyond))
        return which

    async def project(self) -> None:
        """Writes entries for ever, a moment after each commit."""
        while True:
            try:
                while await entries.project(self._pool):
                    pass
            except OUTAGES as error:
                log.warning("entries_wait", error=type(error).__name__)
            await self._appended.wait(POLL_SECONDS)
            await asyncio.sleep(GATHER_SECONDS)
