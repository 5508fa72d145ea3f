"""A job as its caller follows it, over whichever door: accepted, progress and chunks as they come, the outcome last.

The executor may go and come back meanwhile; what was told is not told again.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc
from scrip.executor.v1 import executor_pb2

from services.gateway.mapping import has_ended
from services.gateway.outcomes import AGAIN_SECONDS, SETTLED_SECONDS, is_final
from services.gateway.peers import Executor
from services.gateway.waiting import Waits
from services.runtime import clock
from services.runtime.errors import Refusal
from services.runtime.pulling import Pulled

# A watch is begun anew after this, so that none outlives what it watches.
WATCH_SECONDS = 300.0
# Nobody is followed for ever; the job goes on, and whoever asks again is told the rest.
FOLLOW_SECONDS = 3_600.0
# How soon a gateway that stops ends what it tells.
LOOK_SECONDS = 1.0
_AGAIN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.DEADLINE_EXCEEDED)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The job exists; always first."""

    job: executor_pb2.Job


@dataclass(frozen=True, slots=True)
class Progress:
    """The job went a step further."""

    job: executor_pb2.Job


@dataclass(frozen=True, slots=True)
class Chunk:
    """What the tool says next. Its place is after `offset` characters; one that begins at 0 begins anew."""

    text: str
    offset: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """The job as it is known at the end; always last. It has ended, nobody knows how, or it is followed no further."""

    job: executor_pb2.Job


Event = Accepted | Progress | Chunk | Outcome


class LiveJobs:
    """Follows jobs."""

    def __init__(self, executor: Executor, waits: Waits) -> None:
        self._executor = executor
        self._waits = waits

    async def events(self, job: executor_pb2.Job) -> AsyncIterator[Event]:
        """What becomes of a job, until its outcome, or for an hour."""
        yield Accepted(job)
        followed = _Followed(job)
        until = clock.monotonic() + FOLLOW_SECONDS

        def is_over() -> bool:
            return followed.is_over or self._waits.have_ended or clock.monotonic() > until

        while not is_over():
            try:
                with Pulled(self._watch(job)) as news:
                    while not (news.is_over or is_over()):
                        response = await news.next(min(LOOK_SECONDS, followed.seconds_left))
                        if response is not None and (event := followed.take(response)):
                            yield event
            except Refusal as refusal:
                if refusal.code not in _AGAIN:
                    break
                await asyncio.sleep(AGAIN_SECONDS)
        yield Outcome(followed.job)

    def _watch(self, job: executor_pb2.Job) -> AsyncIterator[executor_pb2.WatchJobResponse]:
        request = executor_pb2.WatchJobRequest(account_id=job.account_id, job_id=job.job_id, live=True)
        return self._executor.peer.stream(self._executor.stub.WatchJob, request, WATCH_SECONDS)


class _Followed:
    """What is known of a job, and of its text."""

    def __init__(self, job: executor_pb2.Job) -> None:
        self.job = job
        self._ended_at = clock.monotonic() if has_ended(job) else None
        self._attempt = 0
        self._length = 0

    @property
    def is_over(self) -> bool:
        """Whether waiting longer can tell nothing more, or would take too long."""
        return is_final(self.job) or self.seconds_left <= 0

    @property
    def seconds_left(self) -> float:
        """How long an outcome that is durable may wait for the ledger's acknowledgement."""
        return float("inf") if self._ended_at is None else self._ended_at + SETTLED_SECONDS - clock.monotonic()

    def take(self, response: executor_pb2.WatchJobResponse) -> Event | None:
        """What is new in it for whoever follows."""
        if response.HasField("chunk"):
            return self._chunk(response.chunk)
        before, self.job = self.job, response.job
        if has_ended(self.job):
            self._ended_at = self._ended_at or clock.monotonic()
            return None
        is_further = (before.state, before.attempts) != (self.job.state, self.job.attempts)
        return Progress(self.job) if is_further and not is_final(self.job) else None

    def _chunk(self, chunk: executor_pb2.Chunk) -> Chunk | None:
        if chunk.attempt < self._attempt:
            return None
        if chunk.attempt > self._attempt:
            self._attempt, self._length = chunk.attempt, 0
        # A watch that was begun anew tells all from the beginning.
        text = chunk.text[max(self._length - chunk.offset, 0) :]
        if not text:
            return None
        offset = max(self._length, chunk.offset)
        self._length = offset + len(text)
        return Chunk(text, offset)
