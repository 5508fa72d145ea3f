"""Reads from the owner of a log what messages did not bring: the owner's log is the truth, messages are its echo."""

import asyncio
import contextlib
from collections.abc import Mapping

from services.analytics import metrics, shards
from services.analytics.applier import Applier
from services.analytics.commits import Commit, from_batch
from services.analytics.continuation import Ending
from services.analytics.sources import Source
from services.runtime import clock, ids, logs
from services.runtime.errors import Refusal
from services.runtime.grpc_client import Peer
from services.runtime.lifecycle import Signal
from services.runtime.postgres import OUTAGES, Pool

log = logs.get("catchup")

ASK_SECONDS = 3.0
PAUSE_SECONDS_MAX = 5.0
FAILURES_TOLD = 5
STREAM_SECONDS = 60.0
COMMITS_MAX = 256
EVENTS_MAX = 5_000
# A shard that stands still is tried again so often: the owner may be repaired, or this program replaced.
STOPPED_SECONDS = 30.0
# So often the owner is asked for the last commit one has, too: a log that was restored shows only there.
VERIFY_SECONDS = 30.0
# What an owner is asked for where nothing is wanted of a shard.
NOTHING_AFTER = 2**63 - 1


class ShardStoppedError(Exception):
    """The owner's log does not continue a shard; the rest of the stream is not worth reading."""


class Catchup:
    """Follows one owner's log; one a source and process."""

    def __init__(self, pool: Pool, applier: Applier, source: Source, peer: Peer) -> None:
        self._pool = pool
        self._applier = applier
        self._source = source
        self._peer = peer
        self._asked = Signal()
        self._waiting: list[asyncio.Future[None]] = []
        self._failing = False
        self._applied = 0
        self._stopped_until: dict[int, float] = {}
        self._verify_at = 0.0

    async def run(self) -> None:
        """Asks the owner every 3 seconds, and at once when `fill` wants it; an owner that is down, ever less often."""
        pause, failures = PAUSE_SECONDS_MAX / 16, 0
        while True:
            waiting, self._waiting = self._waiting, []
            self._applied = 0
            try:
                await self._read_to_head()
                self._failing, pause, failures = False, PAUSE_SECONDS_MAX / 16, 0
            except ShardStoppedError:
                # The next round leaves that shard out.
                self._asked.poke()
            except (Refusal, *OUTAGES) as error:
                if self._applied:
                    # A long backlog is read in several calls.
                    self._asked.poke()
                else:
                    # Once may be no more than a start; who stays away is told of once.
                    failures += 1
                    level = log.warning if failures == FAILURES_TOLD else log.debug
                    level("owner_not_read", source=self._source.name, error=str(error))
                    self._failing, pause = True, min(pause * 2, PAUSE_SECONDS_MAX)
                    waiting, self._waiting = waiting + self._waiting, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)
            if self._failing:
                await asyncio.sleep(pause * (0.5 + ids.fraction() / 2))
            else:
                await self._asked.wait(ASK_SECONDS)

    async def fill(self, shard: int, timeout: float) -> None:
        """Returns when the owner's log was read to its head, from now on; at once where that is hopeless."""
        if self._failing or shard in self._stopped_until:
            return
        metrics.FILLS.labels(self._source.name).inc()
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._asked.poke()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await future

    async def _read_to_head(self) -> None:
        now = started = clock.monotonic()
        known = {state.shard: state for state in await shards.load(self._pool, self._source.name)}
        for shard, until in list(self._stopped_until.items()):
            if until <= now:
                del self._stopped_until[shard]
        verify = now >= self._verify_at
        cursors: dict[int, int] = {}
        expected: set[int] = set()
        for shard, state in known.items():
            if shard in self._stopped_until:
                cursors[shard] = NOTHING_AFTER
            elif (verify or state.stopped_reason) and state.seq:
                cursors[shard] = state.seq - 1
                expected.add(shard)
            else:
                cursors[shard] = state.seq
        seen = await self._read(cursors)
        for shard in expected - seen:
            await self._stop(shard, f"the owner's log ends before commit {known[shard].seq}, which was applied")
        if expected - seen:
            raise ShardStoppedError
        if verify:
            self._verify_at = now + VERIFY_SECONDS
        await shards.confirm(self._pool, self._source.name, self._stopped_until, clock.monotonic() - started)
        for shard in known:
            if shard not in self._stopped_until:
                metrics.STOPPED.labels(self._source.name, shard).set(0)

    async def _read(self, cursors: Mapping[int, int]) -> set[int]:
        """Applies all that the owner has after `cursors`; answers the shards that something came of."""
        seen: set[int] = set()
        read = self._source.read_events(self._peer.channel)
        buffered: list[Commit] = []
        events = 0
        answers = self._peer.stream(read, self._source.request(cursors), timeout=STREAM_SECONDS)
        async with contextlib.aclosing(answers):
            async for answer in answers:
                commit = from_batch(self._source.name, answer.batch, answer.hash)
                full = len(buffered) >= COMMITS_MAX or events >= EVENTS_MAX
                if buffered and (full or buffered[-1].shard != commit.shard):
                    await self._apply(buffered)
                    buffered, events = [], 0
                buffered.append(commit)
                events += len(commit.events)
                seen.add(commit.shard)
        if buffered:
            await self._apply(buffered)
        return seen

    async def _apply(self, commits: list[Commit]) -> None:
        shard = commits[0].shard
        result = await self._applier.apply(self._source.name, shard, commits, via="owner")
        self._applied += len(result.commits)
        if result.ending is not Ending.COMPLETE:
            await self._stop(shard, result.reason)
            raise ShardStoppedError

    async def _stop(self, shard: int, reason: str) -> None:
        self._stopped_until[shard] = clock.monotonic() + STOPPED_SECONDS
        await self._applier.stop(self._source.name, shard, reason)
