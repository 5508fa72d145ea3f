"""Beginning attempts and writing how they end: each step of a job with its event, in one transaction for many jobs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from psycopg.types.json import Jsonb
from scrip.executor.v1 import events_pb2

from services.executor import events
from services.executor.rules.jobs import Retry, State, Transition
from services.executor.store import gates, output_files
from services.executor.store.rows import COLUMNS, SETTLE_HOLD, Job, job_of
from services.executor.store.statements import Connection, each
from services.runtime.event_log import EventLog
from services.runtime.postgres import Pool

_BEGIN = f"""
WITH begun AS (
    UPDATE job
       SET state = 'RUNNING', attempts = attempts + 1, started_at = coalesce(started_at, clock_timestamp()),
           held_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
     WHERE job_id = %(job_id)s AND fence = %(fence)s AND state = 'QUEUED'
       AND (cancel_after IS NULL OR cancel_after > clock_timestamp())
    RETURNING {COLUMNS}),
attempted AS (
    INSERT INTO attempt (job_id, fence, number, worker, retry, started_at, deadline_at)
    SELECT job_id, fence, attempts, %(worker)s, %(retry)s, clock_timestamp(),
           clock_timestamp() + make_interval(secs => %(timeout_seconds)s)
      FROM begun)
SELECT {COLUMNS} FROM begun AS job
"""
# After an answer that was lost on its way, the attempt may have been committed: it is this worker's own, then.
_BEGUN_BEFORE = f"""
SELECT {COLUMNS} FROM job JOIN attempt USING (job_id, fence)
 WHERE job_id = %(job_id)s AND fence = %(fence)s AND state = 'RUNNING' AND attempt.worker = %(worker)s
"""
# A job that somebody wants canceled does not go back to the queue, nor is it left open: the caller has to end it.
_MOVE = f"""
WITH moved AS (
    UPDATE job
       SET state = %(after)s, gated = false, due_at = NULL, worker = '', fence = fence + %(fence_step)s,
           held_until = clock_timestamp() + make_interval(secs => %(delay_seconds)s),
           finished_at = CASE WHEN %(ended)s THEN clock_timestamp() END,
           settle_at = CASE WHEN %(ended)s THEN clock_timestamp() + %(settle_hold)s END,
           duration_ms = %(duration_ms)s, units = coalesce(%(units)s, units), output_json = %(output_json)b,
           error_reason = %(reason)s, error_message = %(message)s,
           charge_micros = %(charge)s, shortfall_micros = %(shortfall)s,
           provider_request_id = coalesce(nullif(%(provider_request_id)s, ''), provider_request_id),
           provider_status = coalesce(nullif(%(provider_status)s, 0), provider_status),
           wished_by = coalesce(%(wished_by)s, wished_by), wished_key_id = coalesce(%(wished_key_id)s, wished_key_id),
           wished_reason = coalesce(%(wished_reason)s, wished_reason),
           losses = losses + %(loss)s, cached_until = CASE WHEN %(cache_seconds)s > 0
               THEN clock_timestamp() + make_interval(secs => %(cache_seconds)s) END,
           indeterminate_at = CASE WHEN %(indeterminate)s THEN clock_timestamp() ELSE indeterminate_at END
     WHERE job_id = %(job_id)s AND fence = %(fence)s AND state = %(before)s
       AND (cancel_requested_at IS NULL OR %(ended)s)
    RETURNING {COLUMNS}),
attempted AS (
    UPDATE attempt
       SET ended_at = clock_timestamp(), ending = %(cause)s, error_reason = %(reason)s, provider = %(provider)s,
           provider_request_id = %(provider_request_id)s, provider_status = %(provider_status)s,
           provider_latency_ms = %(provider_latency_ms)s, provider_usage = %(provider_usage)s
      FROM moved
     WHERE attempt.job_id = moved.job_id AND attempt.fence = %(fence)s AND attempt.ended_at IS NULL)
SELECT {COLUMNS} FROM moved AS job
"""
# After an answer that was lost on its way, the step may have been written.
_MOVED_BEFORE = f"""
SELECT {COLUMNS} FROM job
 WHERE job_id = %(job_id)s AND fence = %(fence_after)s AND state = %(after)s AND worker = ''
"""
_EVENT_KINDS = {
    State.QUEUED: events_pb2.EVENT_KIND_JOB_REQUEUED,
    State.SUCCEEDED: events_pb2.EVENT_KIND_JOB_SUCCEEDED,
    State.FAILED: events_pb2.EVENT_KIND_JOB_FAILED,
    State.CANCELED: events_pb2.EVENT_KIND_JOB_CANCELED,
    State.INDETERMINATE: events_pb2.EVENT_KIND_JOB_INDETERMINATE,
}


@dataclass(frozen=True, slots=True)
class Beginning:
    """An attempt that shall begin."""

    job_id: str
    fence: int
    worker: str
    retry: Retry
    timeout_seconds: float
    lease_seconds: float


async def begin(pool: Pool, log: EventLog, beginnings: Sequence[Beginning]) -> list[Job | None]:
    """Commits attempts before their calls leave, and renews their leases; None where the job is not held any more."""
    async with pool.connection() as connection, connection.transaction():
        rows = await each(connection, _BEGIN, [asdict(item) for item in beginnings])
        begun = [job_of(row) if row else None for row in rows]
        for place, item in enumerate(beginnings):
            if begun[place] is None:
                before = await connection.execute(
                    _BEGUN_BEFORE.encode(), {"job_id": item.job_id, "fence": item.fence, "worker": item.worker}
                )
                row = await before.fetchone()
                begun[place] = job_of(row) if row else None
        started = [job for job, row in zip(begun, rows, strict=True) if job and row]
        await log.append(connection, [events.of(job, events_pb2.EVENT_KIND_JOB_STARTED, "CLAIMED") for job in started])
    return begun


async def move(pool: Pool, log: EventLog, transitions: Sequence[Transition]) -> list[Job | None]:
    """Writes steps of jobs, once each. None where the job is not in that state under that fence any more, and not by
    this very step either."""
    async with pool.connection() as connection, connection.transaction():
        moved = await move_within(connection, log, transitions)
    for place, step in enumerate(transitions):
        if moved[place] is None:
            async with pool.connection() as connection:
                before = await connection.execute(_MOVED_BEFORE.encode(), _parameters(step))
                row = await before.fetchone()
                moved[place] = job_of(row) if row else None
    return moved


async def move_within(connection: Connection, log: EventLog, transitions: Sequence[Transition]) -> list[Job | None]:
    """`move` inside the caller's transaction; call it last in there."""
    rows = await each(connection, _MOVE, [_parameters(step) for step in transitions])
    moved = [job_of(row) if row else None for row in rows]
    done = [(step, job) for step, job in zip(transitions, moved, strict=True) if job]
    await output_files.insert(connection, [step for step, _ in done])
    await gates.open_for(connection, [job for _, job in done if job.state is not State.QUEUED])
    await log.append(
        connection, [events.ended(job, _EVENT_KINDS[step.after], step.cause, step.report) for step, job in done]
    )
    return moved


def _parameters(step: Transition) -> dict[str, object]:
    return {
        "job_id": step.job_id,
        "fence": step.fence,
        "cause": step.cause,
        "fence_step": int(step.after is State.QUEUED),
        "fence_after": step.fence + (step.after is State.QUEUED),
        "before": step.before,
        "after": step.after,
        "ended": step.ends,
        "settle_hold": SETTLE_HOLD,
        "delay_seconds": step.delay_seconds,
        "duration_ms": step.duration_ms,
        "units": None if step.units is None else Jsonb(dict(step.units)),
        "output_json": step.output_json,
        "reason": step.reason,
        "message": step.message,
        "charge": step.cost.charge,
        "shortfall": step.cost.shortfall,
        "provider": step.report.provider,
        "provider_request_id": step.report.request_id,
        "provider_status": step.report.status,
        "provider_latency_ms": step.report.latency_ms,
        "provider_usage": Jsonb(dict(step.report.usage)),
        "wished_by": step.wish and step.wish.actor,
        "wished_key_id": step.wish and step.wish.key_id,
        "wished_reason": step.wish and step.wish.reason,
        "indeterminate": step.after is State.INDETERMINATE,
        # Files live as long as their own job has its output, so none is given again.
        "cache_seconds": 0 if step.output_files else step.cache_seconds,
        "loss": int(step.is_loss),
    }
