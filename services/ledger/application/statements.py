"""Statements: pages of the `entry` projection, once it has reached the confirmed head."""

import asyncio
from dataclasses import dataclass

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.application.ledger import Ledger
from services.ledger.store import entries
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
class Page:
    """Rows of (position, recorded at in microseconds, event), newest first, and the position they are complete to."""

    rows: list[tuple[int, int, pb.Event]]
    as_of: str


class Statements:
    """Answers statements and keeps their projection going."""

    def __init__(self, ledger: Ledger, pool: Pool, appended: Signal) -> None:
        self._ledger = ledger
        self._pool = pool
        self._appended = appended

    async def page(self, account_id: str, before: int | None, limit: int) -> Page:
        """Entries before a position (none: the newest); raises AccountNotFound."""
        shard, seq, position = await self._ledger.head(account_id)
        deadline = clock.monotonic() + WAIT_SECONDS
        while (reached := await entries.projected(self._pool, shard)) < seq and clock.monotonic() < deadline:  # noqa: ASYNC110 (another process may project)
            await asyncio.sleep(LOOK_SECONDS)
        if reached < seq:
            position = await entries.position_at(self._pool, shard, reached)
        return Page(await entries.page(self._pool, account_id, before, limit), position)

    async def project(self) -> None:
        """Writes entries for ever, a moment after each commit."""
        while True:
            try:
                for shard in await entries.behind(self._pool):
                    while await entries.project(self._pool, shard) == entries.COMMITS_MAX:
                        pass
            except OUTAGES as error:
                log.warning("entries_wait", error=type(error).__name__)
            await self._appended.wait(POLL_SECONDS)
            await asyncio.sleep(GATHER_SECONDS)
