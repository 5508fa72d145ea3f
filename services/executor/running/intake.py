"""Takes jobs in: all that wait go into one transaction, and the dispatcher gets those there is room for at once."""

from collections.abc import Sequence

from services.executor.running.dispatcher import Dispatcher
from services.executor.store import submissions
from services.executor.store.rows import Claim
from services.executor.store.submissions import Accepted, Submission
from services.executor.upkeep.keeper import Keeper
from services.executor.waking import WAKE_SUBJECT
from services.runtime import clock
from services.runtime.broker import Broker
from services.runtime.errors import Refusal
from services.runtime.event_log import EventLog
from services.runtime.grouping import Grouped
from services.runtime.postgres import Pool

# Inputs in memory, over all submissions that wait.
WAITING_BYTES_MAX = 256 * 1024 * 1024


class Intake:
    """One a process; `run` is its worker."""

    def __init__(
        self,
        pool: Pool,
        event_log: EventLog,
        dispatcher: Dispatcher,
        keeper: Keeper,
        broker: Broker,
        lease_seconds: float,
    ) -> None:
        self._pool = pool
        self._log = event_log
        self._dispatcher = dispatcher
        self._keeper = keeper
        self._broker = broker
        self._lease_seconds = lease_seconds
        self._waiting: Grouped[Submission, Accepted] = Grouped("executor", "submissions", self._accept, batch_max=200)
        self._waiting_bytes = 0
        self.run = self._waiting.run

    async def submit(self, submission: Submission) -> Accepted:
        """The job of a submission, committed. Raises JOB_NOT_FOUND where its id is a job of another account,
        REQUEST_ID_REUSED where the job is for other content, RATE_LIMITED where too many wait."""
        accepted = await self._wait_for(submission)
        job = accepted.job
        if job.account_id != submission.account_id:
            raise Refusal("JOB_NOT_FOUND", f"there is no job {job.job_id}", {"job_id": job.job_id})
        if (job.input_digest, job.tool, job.tool_version) != (
            submission.input_digest,
            submission.tool,
            submission.tool_version,
        ):
            raise Refusal(
                "REQUEST_ID_REUSED", f"job {job.job_id} was made for another input or tool", {"job_id": job.job_id}
            )
        return accepted

    async def _wait_for(self, submission: Submission) -> Accepted:
        size = len(submission.input_json) + sum(len(file.data) for file in submission.files)
        if self._waiting_bytes + size > WAITING_BYTES_MAX:
            raise Refusal(
                "RATE_LIMITED",
                f"inputs of {self._waiting_bytes} bytes are waiting already; try again shortly",
                {"waiting_bytes_max": WAITING_BYTES_MAX, "retry_after_seconds": 1},
            )
        self._waiting_bytes += size
        try:
            return await self._waiting.do(submission)
        finally:
            self._waiting_bytes -= size

    async def _accept(self, waiting: Sequence[Submission]) -> list[Accepted]:
        room = self._dispatcher.room(len(waiting))
        sent_at = clock.monotonic()
        try:
            accepted = await submissions.accept(
                self._pool, self._log, waiting, self._dispatcher.executor_id, room, self._lease_seconds
            )
        finally:
            self._dispatcher.give_back(room)
        for submission, answer in zip(waiting, accepted, strict=True):
            if answer.claimed:
                claim = Claim(answer.job, submission.quote, submission.input_json)
                for file in submission.files:
                    claim.add(file)
                self._dispatcher.adopt(claim, sent_at)
        if any(not answer.claimed and not answer.replayed for answer in accepted):
            self._dispatcher.poke()
            self._keeper.poke()
            await self._broker.wake(WAKE_SUBJECT)
        return accepted
