"""One execution as its caller follows it: accepted, progress and chunks as they come, and the outcome as the last."""

from collections.abc import AsyncIterator

from scrip.executor.v1 import executor_pb2

from services.executor.following.live import Live
from services.runtime import clock
from services.runtime.pulling import Pulled

Job = executor_pb2.Job
Response = executor_pb2.ExecuteToolResponse

# How long an outcome that is durable may wait for the ledger's acknowledgement before it is told.
SETTLED_SECONDS = 1.0
LOOK_SECONDS = 60.0


async def told(live: Live, accepted: Job) -> AsyncIterator[Response]:
    """What becomes of a job that was accepted; raises UPSTREAM_UNAVAILABLE where this executor stops before its end."""
    yield Response(accepted=accepted)
    job, outcome_at = accepted, _outcome_at(accepted)
    with Pulled(live.follow(job.account_id, job.job_id)) as news:
        while not news.is_over and not _is_final(job) and clock.monotonic() < outcome_at:
            item = await news.next(min(outcome_at - clock.monotonic(), LOOK_SECONDS))
            if isinstance(item, executor_pb2.Chunk):
                yield Response(chunk=item)
            elif item is not None:
                is_further = item.state != job.state or item.attempts != job.attempts
                job, outcome_at = item, min(outcome_at, _outcome_at(item))
                if is_further and not job.HasField("finished_at") and not _is_final(job):
                    yield Response(progress=job)
    yield Response(outcome=job)


def _outcome_at(job: Job) -> float:
    return clock.monotonic() + SETTLED_SECONDS if job.HasField("finished_at") else float("inf")


def _is_final(job: Job) -> bool:
    """Whether waiting longer can tell nothing more."""
    if job.state == Job.STATE_INDETERMINATE:
        return True
    return job.HasField("finished_at") and job.settlement != Job.SETTLEMENT_PENDING
