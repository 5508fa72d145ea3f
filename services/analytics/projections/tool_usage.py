"""tool_usage_daily: jobs by the UTC day they end, from the executor; credits by the day of capture or refund, from the
ledger."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import psycopg
from scrip.executor.v1.events_pb2 import EventKind as JobEventKind
from scrip.ledger.v1.events_pb2 import EventKind as CreditEventKind

from services.analytics.commits import Commit

# Upper bounds of the duration histogram in milliseconds, four an octave, to 26 hours and a last one for whatever took
# longer. Part of what is stored: a change needs a rebuild.
DURATION_BOUNDS_MS = (*sorted({round(2 ** (step / 4)) for step in range(107)}), 86_400_000_000)

_ENDINGS: Mapping[int, str | None] = {
    JobEventKind.EVENT_KIND_JOB_QUEUED: None,
    JobEventKind.EVENT_KIND_JOB_STARTED: None,
    JobEventKind.EVENT_KIND_JOB_REQUEUED: None,
    JobEventKind.EVENT_KIND_JOB_SUCCEEDED: "succeeded",
    JobEventKind.EVENT_KIND_JOB_FAILED: "failed",
    JobEventKind.EVENT_KIND_JOB_CANCELED: "canceled",
    JobEventKind.EVENT_KIND_JOB_INDETERMINATE: "indeterminate",
    JobEventKind.EVENT_KIND_JOB_SETTLED: None,
    JobEventKind.EVENT_KIND_SETTLEMENT_REFUSED: None,
}
_MEASURED = ("succeeded", "failed")


class ToolCredits:
    """Credits captured for tools, and refunded, by some commits of one ledger shard."""

    def __init__(self, shard: int) -> None:
        self._shard = shard
        self.captured_micros: Counter[tuple[str, date]] = Counter()
        self.refunded_micros: Counter[tuple[str, date]] = Counter()

    def add(self, commit: Commit) -> None:
        """Sums the captures and the refunds that name a tool."""
        day = commit.recorded_at.date()
        for event in commit.events:
            if not event.tool:
                continue
            if event.kind == CreditEventKind.EVENT_KIND_RESERVATION_CAPTURED:
                self.captured_micros[event.tool, day] += event.amount_micros
            elif event.kind == CreditEventKind.EVENT_KIND_CAPTURE_REFUNDED:
                self.refunded_micros[event.tool, day] += event.amount_micros

    async def write(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Adds the sums to what the table has."""
        keys = sorted(self.captured_micros.keys() | self.refunded_micros.keys())
        if keys:
            await connection.execute(
                "INSERT INTO analytics.tool_credits AS t (shard, tool, day, captured_micros, refunded_micros)"
                " SELECT %s, * FROM unnest(%s::text[], %s::date[], %s::bigint[], %s::bigint[])"
                " ON CONFLICT (shard, tool, day)"
                " DO UPDATE SET captured_micros = t.captured_micros + excluded.captured_micros,"
                " refunded_micros = t.refunded_micros + excluded.refunded_micros",
                (
                    self._shard,
                    [tool for tool, _ in keys],
                    [day for _, day in keys],
                    [self.captured_micros[key] for key in keys],
                    [self.refunded_micros[key] for key in keys],
                ),
            )


@dataclass(frozen=True, slots=True)
class Ended:
    """A job that came to an ending, if only for the time being."""

    job_id: str
    tool: str
    day: date
    ending: str
    duration_ms: int


class ToolJobs:
    """Jobs ended in some commits of one executor shard. A job's events are all in one shard."""

    kinds = frozenset(_ENDINGS)

    def __init__(self, shard: int) -> None:
        self._shard = shard
        self.ended: list[Ended] = []

    def add(self, commit: Commit) -> None:
        """Takes the endings, in order; the day is that of the ending, else of its commit."""
        for event in commit.events:
            ending = _ENDINGS[event.kind]
            if ending is not None:
                at = event.finished_at.ToDatetime(tzinfo=UTC) if event.HasField("finished_at") else commit.recorded_at
                self.ended.append(Ended(event.job_id, event.tool, _day(at), ending, max(event.duration_ms, 0)))

    async def write(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Counts the endings; a job that was counted as indeterminate is taken from where it was."""
        if not self.ended:
            return
        standing = await self._take_standing(connection)
        counts: Counter[tuple[str, date, str]] = Counter()
        resolved: Counter[tuple[str, date]] = Counter()
        durations: Counter[tuple[str, date, int]] = Counter()
        for job in self.ended:
            before = standing.pop(job.job_id, None)
            if before:
                resolved[before] += 1
            counts[job.tool, job.day, job.ending] += 1
            if job.ending == "indeterminate":
                standing[job.job_id] = (job.tool, job.day)
            elif job.ending in _MEASURED:
                counts[job.tool, job.day, "duration_ms"] += job.duration_ms
                durations[job.tool, job.day, bound_ms(job.duration_ms)] += 1
        await self._count(connection, counts)
        await self._count_durations(connection, durations)
        await self._uncount(connection, resolved)
        await self._keep_standing(connection, standing)

    async def _take_standing(self, connection: psycopg.AsyncConnection[Any]) -> dict[str, tuple[str, date]]:
        rows = await connection.execute(
            "DELETE FROM analytics.indeterminate_job WHERE job_id = ANY(%s) RETURNING job_id, tool, day",
            (list({job.job_id for job in self.ended}),),
        )
        return {job_id: (tool, day) async for job_id, tool, day in rows}

    async def _keep_standing(
        self, connection: psycopg.AsyncConnection[Any], standing: Mapping[str, tuple[str, date]]
    ) -> None:
        if standing:
            await connection.execute(
                "INSERT INTO analytics.indeterminate_job (shard, job_id, tool, day)"
                " SELECT %s, * FROM unnest(%s::text[], %s::text[], %s::date[])",
                (
                    self._shard,
                    list(standing),
                    [tool for tool, _ in standing.values()],
                    [day for _, day in standing.values()],
                ),
            )

    async def _count(
        self, connection: psycopg.AsyncConnection[Any], counts: Mapping[tuple[str, date, str], int]
    ) -> None:
        keys = sorted({(tool, day) for tool, day, _ in counts})
        columns = ("succeeded", "failed", "canceled", "indeterminate", "duration_ms")
        await connection.execute(
            "INSERT INTO analytics.tool_jobs AS t"
            " (shard, tool, day, succeeded, failed, canceled, indeterminate, duration_ms)"
            " SELECT %s, * FROM unnest(%s::text[], %s::date[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],"
            " %s::bigint[])"
            " ON CONFLICT (shard, tool, day) DO UPDATE SET succeeded = t.succeeded + excluded.succeeded,"
            " failed = t.failed + excluded.failed, canceled = t.canceled + excluded.canceled,"
            " indeterminate = t.indeterminate + excluded.indeterminate,"
            " duration_ms = t.duration_ms + excluded.duration_ms",
            (
                self._shard,
                [tool for tool, _ in keys],
                [day for _, day in keys],
                *([counts.get((tool, day, column), 0) for tool, day in keys] for column in columns),
            ),
        )

    async def _count_durations(
        self, connection: psycopg.AsyncConnection[Any], durations: Mapping[tuple[str, date, int], int]
    ) -> None:
        if durations:
            tools, days, bounds = zip(*durations, strict=True)
            await connection.execute(
                "INSERT INTO analytics.tool_durations AS t (shard, tool, day, upper_ms, jobs)"
                " SELECT %s, * FROM unnest(%s::text[], %s::date[], %s::bigint[], %s::bigint[])"
                " ON CONFLICT (shard, tool, day, upper_ms) DO UPDATE SET jobs = t.jobs + excluded.jobs",
                (self._shard, list(tools), list(days), list(bounds), list(durations.values())),
            )

    async def _uncount(
        self, connection: psycopg.AsyncConnection[Any], resolved: Mapping[tuple[str, date], int]
    ) -> None:
        if resolved:
            tools, days = zip(*resolved, strict=True)
            await connection.execute(
                "UPDATE analytics.tool_jobs t SET indeterminate = t.indeterminate - r.jobs"
                " FROM unnest(%s::text[], %s::date[], %s::bigint[]) AS r (tool, day, jobs)"
                " WHERE t.shard = %s AND t.tool = r.tool AND t.day = r.day",
                (list(tools), list(days), list(resolved.values()), self._shard),
            )


def bound_ms(duration_ms: int) -> int:
    """The upper bound of the histogram's class that a duration falls in."""
    return DURATION_BOUNDS_MS[min(bisect_left(DURATION_BOUNDS_MS, duration_ms), len(DURATION_BOUNDS_MS) - 1)]


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()
