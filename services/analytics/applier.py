"""Applies commits to the projections: each once, in order, cursor and rows in one transaction."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence

import psycopg

from services.analytics import metrics, shards
from services.analytics.commits import Commit
from services.analytics.continuation import Continuation, Ending, continue_from
from services.analytics.projections import KNOWN_KINDS, PROJECTIONS
from services.runtime import logs
from services.runtime.postgres import OUTAGES, Pool

log = logs.get("applier")

# A transaction holds at most so many events, but one whole commit at least: an owner's commit has 4,096 at most.
EVENTS_MAX = 5_000


class Applier:
    """One a process. Whoever brings commits, the messages or the owners, brings them here."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._locks: dict[tuple[str, int], asyncio.Lock] = {}

    async def apply(self, source: str, shard: int, offered: Iterable[Commit], via: str) -> Continuation:
        """Applies what continues the shard; answers how far that went and why no further. `via` is for the metrics.

        What is older is passed over; any order is taken. Raises postgres.OUTAGES.
        """
        ordered = sorted(offered, key=lambda commit: commit.seq)
        # The row lock decides between processes; within one nobody needs to hold a connection while waiting.
        async with self._locks.setdefault((source, shard), asyncio.Lock()):
            applied: list[Commit] = []
            result = Continuation(applied)
            for some in _chunks(ordered):
                result = await self._apply(source, shard, some)
                applied += result.commits
                metrics.COMMITS.labels(source, via).inc(len(result.commits))
                metrics.EVENTS.labels(source).inc(sum(len(commit.events) for commit in result.commits))
                if result.ending is not Ending.COMPLETE:
                    break
            return Continuation(applied, result.ending, result.reason)

    async def _apply(self, source: str, shard: int, offered: Sequence[Commit]) -> Continuation:
        try:
            async with self._pool.connection() as connection, connection.transaction():
                cursor = await shards.lock(connection, source, shard)
                result = continue_from(cursor.seq, cursor.hash, offered, KNOWN_KINDS[source])
                if result.commits:
                    for make in PROJECTIONS[source]:
                        projection = make(shard)
                        for commit in result.commits:
                            projection.add(commit)
                        await projection.write(connection)
                    await shards.advance(connection, cursor, result.commits[-1])
                return result
        except OUTAGES:
            raise
        except (psycopg.Error, ValueError, OverflowError) as error:
            # Not the server, but these very rows: a constraint, or a value outside of its type.
            log.exception("rows_refused", source=source, shard=shard)
            return Continuation((), Ending.UNSTORABLE, f"after commit {_before(offered)}: {_sentence(error)}")

    async def stop(self, source: str, shard: int, reason: str) -> None:
        """Tells, loudly, that a shard stands still: in the log, the metric and the freshness."""
        log.error("shard_stopped", source=source, shard=shard, reason=reason)
        metrics.STOPPED.labels(source, shard).set(1)
        await shards.note_stopped(self._pool, source, shard, reason)


def _chunks(ordered: Sequence[Commit]) -> Iterator[Sequence[Commit]]:
    chunk: list[Commit] = []
    events = 0
    for commit in ordered:
        if chunk and events + len(commit.events) > EVENTS_MAX:
            yield chunk
            chunk, events = [], 0
        chunk.append(commit)
        events += len(commit.events)
    if chunk:
        yield chunk


def _before(offered: Sequence[Commit]) -> int:
    return offered[0].seq - 1


def _sentence(error: Exception) -> str:
    constraint = error.diag.constraint_name if isinstance(error, psycopg.Error) else None
    return constraint.replace("_", " ") if constraint else f"{type(error).__name__}: {str(error).splitlines()[0]}"
