"""The jobs this executor holds, how long each may still be called its own, and whether somebody wants it canceled."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from scrip.catalog.v1 import catalog_pb2

from services.executor import mapping
from services.executor.patience import Patience
from services.executor.providers.begun import begun_of
from services.executor.providers.course import Course
from services.executor.providers.health import Visit
from services.executor.rules.jobs import Terms
from services.executor.store import claims
from services.executor.store.rows import Claim, Job
from services.runtime import clock
from services.runtime.lifecycle import Signal
from services.runtime.postgres import OUTAGES, Pool

# However long leases are: as often somebody's wish to cancel is looked for, where the word of it got lost.
RENEW_SECONDS_MAX = 5.0
LEAST_SECONDS = 0.001
# For one more look at work whose time was over when somebody found it, and to download what it made.
LAST_LOOK_SECONDS = 20.0


class CanceledError(Exception):
    """Somebody wants the job canceled."""


@dataclass(slots=True, eq=False)
class Held:
    """A job this executor has claimed."""

    claim: Claim
    terms: Terms
    timeout_seconds: float
    """How long its call may take."""
    leased_until: float
    """On the monotonic clock; counted from before the claim or renewal was sent, so it is over here before it is over
    in the database."""
    begun: bool = False
    """An attempt was, or is being, committed."""
    waits: bool = False
    """Its attempt is committed, and it waits for a free process."""
    call_until: float = 0
    """When the time of its call is over, on the monotonic clock; where a provider has begun the work, that counts from
    the first request for it, whoever made that."""
    may_be_cut: bool = False
    """Its tool may be called again."""
    concludes: bool = False
    """How it ended is being written, or was."""
    resumable: bool = False
    """A provider has begun the work, and another executor can go on looking at it."""
    visit: Visit | None = None
    """Its place at the provider, where it has one."""
    course: Course = field(default_factory=Course)
    """What is known of its call."""
    canceled: bool = False
    """Somebody wants it canceled."""
    _body: asyncio.Timeout | None = field(default=None, init=False)

    @property
    def job(self) -> Job:
        """Its row when it was claimed."""
        return self.claim.job

    @property
    def key(self) -> tuple[str, int]:
        """Job id and fence."""
        return self.claim.job.job_id, self.claim.job.fence

    def begin_call(self) -> float:
        """From now on its time runs, unless it does already; answers when it began to, on the monotonic clock."""
        if self.claim.work is None:
            self.call_until = clock.monotonic() + self.timeout_seconds
        return self.call_until - self.timeout_seconds

    def waited_seconds(self) -> float:
        """How long it could have run by now: since its time had come, or since the time of its work was over."""
        if self.claim.work:
            return clock.monotonic() - self.call_until
        since = max(self.job.created_at, self.job.run_after or self.job.created_at)
        return (clock.now() - since).total_seconds()

    def seconds_left(self) -> float:
        """How much longer its call may take: no longer than the job's deadline, else work that was begun before always
        gets a last look."""
        left = self.call_until - clock.monotonic()
        if self.claim.work is not None:
            left = max(left, LAST_LOOK_SECONDS)
        if self.job.cancel_after is not None:
            left = min(left, (self.job.cancel_after - clock.now()).total_seconds())
        return max(left, LEAST_SECONDS)

    def is_past_deadline(self) -> bool:
        """Whether the job was to have ended by now."""
        return self.job.cancel_after is not None and clock.now() >= self.job.cancel_after

    def was_stopped_by_deadline(self) -> bool:
        """Whether it was the job's deadline, and not the time of the call, that a call was stopped at."""
        return self.is_past_deadline() or (self.job.cancel_after is not None and clock.monotonic() < self.call_until)

    def is_ours(self) -> bool:
        """Whether nobody else can hold it yet."""
        return clock.monotonic() < self.leased_until

    def cancel(self) -> None:
        """Somebody wants it canceled: whatever is done for it ends."""
        self.canceled = True
        if self._body and not self._body.expired():
            self._body.reschedule(asyncio.get_running_loop().time())

    @contextlib.asynccontextmanager
    async def until_canceled(self) -> AsyncIterator[None]:
        """Runs the body; raises CanceledError in its place as soon as somebody wants the job canceled."""
        if self.canceled:
            raise CanceledError
        try:
            async with asyncio.timeout(None) as self._body:
                yield
        except TimeoutError as error:
            if not self.canceled:
                raise
            raise CanceledError from error
        finally:
            self._body = None


class Leases:
    """All held jobs; renews their leases in one statement, at a third of their length and every five seconds."""

    def __init__(self, pool: Pool, lease_seconds: float) -> None:
        self._pool = pool
        self.seconds = lease_seconds
        self._held: dict[tuple[str, int], Held] = {}
        self._patience = Patience("database (leases)")
        self._wake = Signal()

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, claim: Claim, sent_at: float) -> Held:
        """Takes a claim whose statement was sent at `sent_at` on the monotonic clock."""
        quote = catalog_pb2.Quote.FromString(claim.quote)
        held = Held(claim, mapping.terms_of(quote), quote.limits.timeout_ms / 1000, sent_at + self.seconds)
        if claim.work:
            held.call_until = sent_at + claim.work.seconds_left
            held.course.submitted = begun_of(claim.work).submitted
        self._held[held.key] = held
        return held

    def poke(self) -> None:
        """Somebody may want one of them canceled: renewing tells."""
        self._wake.poke()

    def release(self, held: Held) -> None:
        """Lets the lease end by itself."""
        self._held.pop(held.key, None)

    async def run(self) -> None:
        """Renews for ever; in an outage of the database leases run out, and calls under way still may tell their
        outcome if nobody took the job meanwhile."""
        while True:
            pause = min(self.seconds / 3, RENEW_SECONDS_MAX)
            try:
                await self._renew()
                self._patience.worked()
            except OUTAGES as error:
                pause = min(pause, self._patience.failed(error))
            await self._wake.wait(pause)

    async def _renew(self) -> None:
        if not self._held:
            return
        sent_at = clock.monotonic()
        renewed = await claims.renew(self._pool, list(self._held), self.seconds)
        for held in self._held.values():
            if held.key in renewed:
                held.leased_until = max(held.leased_until, sent_at + self.seconds)
                if renewed[held.key]:
                    held.cancel()
