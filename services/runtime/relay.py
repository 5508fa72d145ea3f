"""Publishes a log to JetStream: each commit one message, in order, at least once.

The cursor's row is locked while a shard is relayed, so one process at a time publishes it, and it moves only after NATS
acknowledged: a kill between the two publishes a commit twice under the same Nats-Msg-Id. JetStream may still lose
messages; consumers fill such gaps from the owner.
"""

import asyncio
from typing import Any

from services.runtime import broker as broker_module
from services.runtime import clock, event_log, logs
from services.runtime.broker import Broker
from services.runtime.lifecycle import Signal
from services.runtime.postgres import OUTAGES as DATABASE_OUTAGES
from services.runtime.postgres import Pool
from services.runtime.topology import batch_subject

log = logs.get("relay")

POLL_SECONDS = 1.0
# After a poke, before what it announces is committed; doubled up to the poll.
LOOK_AGAIN_SECONDS = 0.1
# Commits of so long go together: a round costs a handful of statements, however many commits it relays.
GATHER_SECONDS = 0.05
# A shard's cursor is locked no longer: the database ends a transaction that stays idle.
HOLD_SECONDS = 3.0
ACK_SECONDS = 5.0
HASH_HEADER = "Scrip-Hash"
CONSUMER = "relay"


class Relay:
    """One a process; `appended` wakes it, polling is the fallback."""

    def __init__(self, pool: Pool, broker: Broker, service: str, batch_type: type[Any], appended: Signal) -> None:
        self._pool = pool
        self._broker = broker
        self._service = service
        self._batch_type = batch_type
        self._appended = appended

    async def run(self) -> None:
        """Relays for ever; an outage of either side is waited out.

        A poke comes from inside the transaction that writes, so what it announces may not be there to be read yet: the
        log is looked at again, soon at first.
        """
        pause = POLL_SECONDS
        while True:
            try:
                await self._relay_all()
            except (*broker_module.OUTAGES, *DATABASE_OUTAGES) as error:
                log.warning("relay_waits", error=type(error).__name__)
                pause = POLL_SECONDS
            poked = await self._appended.wait(pause)
            await asyncio.sleep(GATHER_SECONDS)
            pause = LOOK_AGAIN_SECONDS if poked else min(pause * 2, POLL_SECONDS)

    async def _relay_all(self) -> None:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT shard FROM cursor c WHERE consumer = %s AND EXISTS"
                " (SELECT FROM log WHERE log.shard = c.shard AND log.seq = c.seq + 1) ORDER BY shard",
                (CONSUMER,),
            )
            behind = [int(str(row[0])) for row in await cursor.fetchall()]
        for shard in behind:
            while await self._relay_some(shard):
                pass

    async def _relay_some(self, shard: int) -> bool:
        """Publishes what follows the cursor of one shard, 256 commits at most; answers whether there may be more.

        The cursor keeps what was acknowledged before a failure.
        """
        jetstream = self._broker.jetstream()
        if jetstream is None:
            return False
        failure: Exception | None = None
        deadline = clock.monotonic() + HOLD_SECONDS
        async with self._pool.connection() as connection, connection.transaction():
            cursor = await connection.execute(
                "SELECT seq FROM cursor WHERE consumer = %s AND shard = %s FOR UPDATE SKIP LOCKED",
                (CONSUMER, shard),
            )
            row = await cursor.fetchone()
            if row is None:
                return False
            published = start = int(str(row[0]))
            commits = await event_log.read(self._pool, shard, start)
            try:
                for commit in commits:
                    if clock.monotonic() > deadline:
                        break
                    await jetstream.publish(
                        batch_subject(self._service, shard),
                        commit.body,
                        timeout=ACK_SECONDS,
                        headers=self._headers(commit),
                    )
                    published = commit.seq
            except broker_module.OUTAGES as error:
                failure = error
            await connection.execute(
                "UPDATE cursor SET seq = %s WHERE consumer = %s AND shard = %s",
                (published, CONSUMER, shard),
            )
        if failure:
            raise failure
        return len(commits) == event_log.READ_ROWS_MAX or published < start + len(commits)

    def _headers(self, commit: event_log.LogRow) -> dict[str, str]:
        batch = self._batch_type()
        batch.ParseFromString(commit.body)
        trace = next((event.trace_id for event in batch.events if event.trace_id), "")
        headers = {
            "Nats-Msg-Id": f"{self._service}-{commit.shard}-{commit.seq}-{commit.hash.hex()[:8]}",
            HASH_HEADER: commit.hash.hex(),
        }
        if trace:
            headers["traceparent"] = f"00-{trace}-{commit.hash.hex()[:16]}-01"
        return headers
