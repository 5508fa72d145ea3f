"""Logs made by hand: chained commits as an owner would write them, and the events in them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from scrip.executor.v1 import events_pb2 as executor_events
from scrip.ledger.v1 import events_pb2 as ledger_events

from services.analytics.commits import Commit, from_message
from services.analytics.sources import SOURCES
from services.runtime import chain

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
TRACE = "0af7651916cd43dd8448eb211c80319c"


class WrittenLog:
    """One shard of one owner's log. `bodies` are what is published, `commits` what is read of it."""

    def __init__(self, source: str, shard: int = 0) -> None:
        self.source = SOURCES[source]
        self.shard = shard
        self.bodies: list[bytes] = []
        self.commits: list[Commit] = []
        self._position = 1

    @property
    def subject(self) -> str:
        """Where its commits are published."""
        return f"scrip.{self.source.name}.v1.batch.{self.shard}"

    def write(self, *events: Any, at: datetime = NOON) -> Commit:
        """Adds one commit."""
        previous = self.commits[-1].hash if self.commits else chain.GENESIS_HASH
        batch = self.source.batch_type(
            shard=self.shard,
            seq=len(self.commits) + 1,
            first_position=self._position,
            previous_hash=previous,
            writer="test",
            events=events,
        )
        batch.recorded_at.FromDatetime(at)
        self._position += len(events)
        body = batch.SerializeToString(deterministic=True)
        self.bodies.append(body)
        self.commits.append(from_message(self.source.name, self.source.batch_type, self.shard, body))
        return self.commits[-1]


def credit(kind: str, micros: int = 1_000_000, **fields: Any) -> ledger_events.Event:
    """An event of the ledger; `kind` without its prefix."""
    return ledger_events.Event(
        kind=ledger_events.EventKind.Value(f"EVENT_KIND_{kind}"),
        account_id=fields.pop("account_id", "demo"),
        amount_micros=micros,
        **fields,
    )


def job(
    kind: str, job_id: str = "job_a", tool: str = "echo", at: datetime | None = NOON, duration_ms: int = 0
) -> executor_events.Event:
    """An event of the executor; `kind` without its prefix, `at` when the job ended."""
    event = executor_events.Event(
        kind=executor_events.EventKind.Value(f"EVENT_KIND_{kind}"),
        job_id=job_id,
        account_id="demo",
        tool=tool,
        duration_ms=duration_ms,
    )
    if at is not None:
        event.finished_at.FromDatetime(at)
    return event


def executions(numbers: Sequence[int]) -> list[tuple[list[ledger_events.Event], list[executor_events.Event]]]:
    """Commits of ledger and executor as many executions leave them, some a day later than others."""
    made = []
    for number in numbers:
        job_id, tool = f"job_{number:06}", ("echo", "pdf-to-text")[number % 2]
        at = NOON + timedelta(hours=number % 48)
        ending = ("JOB_SUCCEEDED", "JOB_FAILED", "JOB_CANCELED", "JOB_INDETERMINATE")[number % 4]
        subject = {"reservation_id": job_id, "tool": tool, "tool_version": 1, "price_version": 2, "trace_id": TRACE}
        credits = [
            credit("CREDITS_RESERVED", 5_000, **subject),
            credit("RESERVATION_CAPTURED", 1_000 + number, final=True, **subject),
        ]
        jobs = [job("JOB_QUEUED", job_id, tool, None), job(ending, job_id, tool, at, duration_ms=number)]
        if ending == "JOB_INDETERMINATE" and number % 8 == 3:
            jobs.append(job("JOB_SUCCEEDED", job_id, tool, at + timedelta(days=1), duration_ms=number))
        made.append((credits, jobs))
    return made
