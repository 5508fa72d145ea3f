"""Followers of jobs: told at once of what this process writes, and within half a second of what others write.

However many follow, it is one query for all of them.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator

from scrip.executor.v1 import executor_pb2

from services.executor import mapping
from services.executor.patience import Patience
from services.executor.rules.jobs import State
from services.executor.store import queries
from services.executor.store.rows import Job
from services.runtime.errors import Refusal, unavailable
from services.runtime.lifecycle import Signal
from services.runtime.postgres import OUTAGES, Pool

POLL_SECONDS = 0.5
FOLLOWERS_MAX = 20_000

_RANKS = {State.QUEUED: 0, State.RUNNING: 1, State.INDETERMINATE: 2}
_ENDED_RANK = 3


def _progress(job: Job) -> tuple[int, int, bool]:
    """Grows with every step: each way back to the queue has a new fence."""
    return job.fence, _RANKS.get(job.state, _ENDED_RANK), job.is_over


class _Follower:
    """Holds the newest message until it is taken; what was overtaken is not sent."""

    def __init__(self, told: asyncio.Event) -> None:
        self.job: Job | None = None
        self.output_json: bytes | None = None
        self.message: executor_pb2.Job | None = None
        self.told = told

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self.job is not None and self.job.is_over

    def is_news(self, job: Job) -> bool:
        """Whether a row is newer than what was told, in anything that callers see."""
        known = self.job
        if known is None:
            return True
        seen = (known.state, known.settlement, known.attempts) != (job.state, job.settlement, job.attempts)
        return seen and _progress(job) > _progress(known)

    def tell(self, job: Job, output_json: bytes | None) -> None:
        """Replaces the message."""
        self.job = job
        self.output_json = output_json
        self.message = mapping.job_message(job, output_json or b"")
        self.told.set()


class Watches:
    """All followers of this process."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._followers: dict[str, set[_Follower]] = {}
        self._n = 0
        self._changed: set[str] = set()
        self._wake = Signal()
        self._patience = Patience("database (watches)")
        self._closed = False

    def tell(self, job: Job, output_json: bytes | None = None) -> None:
        """This job was written just now; nothing needs to be read for those who know its output, or are told it."""
        for follower in self._followers.get(job.job_id, ()):
            output = output_json if output_json is not None else follower.output_json
            if job.state is State.SUCCEEDED and output is None:
                self._changed.add(job.job_id)
                self._wake.poke()
            elif follower.is_news(job):
                follower.tell(job, output)

    def close(self) -> None:
        """Ends all following: callers ask another executor."""
        self._closed = True
        for follower in [one for followers in self._followers.values() for one in followers]:
            follower.told.set()

    async def follow(self, account_id: str, job_id: str) -> AsyncIterator[executor_pb2.Job]:
        """The job as it is, and again after each change, until nothing will change any more.

        Raises JOB_NOT_FOUND, also for a job of another account.
        """
        async for job in self.heed(account_id, job_id, asyncio.Event()):
            if job is not None:
                yield job

    async def heed(self, account_id: str, job_id: str, told: asyncio.Event) -> AsyncIterator[executor_pb2.Job | None]:
        """As `follow`; and None where somebody else set `told`, so that one can wait for both."""
        with self._following(job_id, told) as follower:
            await self._read([job_id])
            first = follower.message
            if first is None or first.account_id != account_id:
                raise Refusal("JOB_NOT_FOUND", f"there is no job {job_id}", {"job_id": job_id})
            while not self._closed:
                await follower.told.wait()
                follower.told.clear()
                message, follower.message = follower.message, None
                yield message
                if follower.is_over:
                    return
            raise unavailable("executor")

    @contextlib.contextmanager
    def _following(self, job_id: str, told: asyncio.Event) -> Iterator[_Follower]:
        if self._n >= FOLLOWERS_MAX:
            raise Refusal(
                "RATE_LIMITED", f"{FOLLOWERS_MAX} calls follow jobs already", {"followers_max": FOLLOWERS_MAX}
            )
        follower = _Follower(told)
        self._n += 1
        self._followers.setdefault(job_id, set()).add(follower)
        try:
            yield follower
        finally:
            self._n -= 1
            followers = self._followers[job_id]
            followers.discard(follower)
            if not followers:
                del self._followers[job_id]

    async def run(self) -> None:
        """Tells followers for ever."""
        loop = asyncio.get_running_loop()
        next_poll = 0.0
        while True:
            try:
                if loop.time() >= next_poll:
                    next_poll = loop.time() + POLL_SECONDS
                    self._changed.update(self._followers)
                changed, self._changed = self._changed, set()
                if changed:
                    await self._read(changed)
                self._patience.worked()
            except OUTAGES as error:
                await asyncio.sleep(self._patience.failed(error))
            await self._wake.wait(max(next_poll - loop.time(), 0.001))

    async def _read(self, job_ids: Iterable[str]) -> None:
        """Reads jobs and tells each follower what it does not know yet."""
        jobs = await queries.jobs(self._pool, list(job_ids))
        done = [
            job.job_id
            for job in jobs.values()
            if job.state is State.SUCCEEDED and any(one.is_news(job) for one in self._followers.get(job.job_id, ()))
        ]
        outputs = await queries.outputs(self._pool, done) if done else {}
        for job in jobs.values():
            # Asked only now: what was written since the rows were read has been told already.
            for follower in self._followers.get(job.job_id, ()):
                if follower.is_news(job):
                    follower.tell(job, outputs.get(job.job_id, follower.output_json))
