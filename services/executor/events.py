"""Events of jobs, as the log keeps and publishes them."""

import hashlib

from scrip.executor.v1 import events_pb2

from services.executor.rules.jobs import WISHED, ProviderReport
from services.executor.store.rows import Job

SHARDS = 4
SELF = "service:executor"


def shard_of(account_id: str) -> int:
    """The shard that holds the events of an account's jobs."""
    return int.from_bytes(hashlib.sha256(account_id.encode()).digest()[:8], "big") % SHARDS


def of(job: Job, kind: events_pb2.EventKind, cause: str, actor: str = SELF) -> tuple[int, events_pb2.Event]:
    """What just happened to a job, and the shard it belongs to; `job` is the row after it, and says who wished it."""
    is_wished = cause in WISHED
    event = events_pb2.Event(
        kind=kind,
        job_id=job.job_id,
        account_id=job.account_id,
        tool=job.tool,
        tool_version=job.tool_version,
        price_version=job.price_version,
        attempt=job.attempts,
        duration_ms=job.duration_ms,
        reserved_micros=job.reserved_micros,
        charge_micros=job.charge_micros,
        captured_micros=job.captured_micros,
        shortfall_micros=job.shortfall_micros,
        units=job.units,
        error_reason=job.error_reason,
        cause=cause,
        actor=job.wished_by if is_wished else actor,
        actor_key_id=job.wished_key_id if is_wished else "",
        reason=job.wished_reason if is_wished else "",
        key_id=job.key_id,
        reference=job.reference,
        labels=job.labels,
        trace_id=job.trace_id,
        provider_request_id=job.provider_request_id,
        provider_status=job.provider_status,
    )
    event.created_at.FromDatetime(job.created_at)
    if job.started_at:
        event.started_at.FromDatetime(job.started_at)
    if job.finished_at:
        event.finished_at.FromDatetime(job.finished_at)
    return shard_of(job.account_id), event


def ended(job: Job, kind: events_pb2.EventKind, cause: str, report: ProviderReport) -> tuple[int, events_pb2.Event]:
    """`of` a step that ended an attempt, with what is known of its provider's call."""
    shard, event = of(job, kind, cause)
    event.provider = report.provider
    event.provider_latency_ms = report.latency_ms
    event.provider_usage.update(report.usage)
    return shard, event
