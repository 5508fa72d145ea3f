"""The jobs this executor holds, and how long each may still be called its own."""

from dataclasses import dataclass

from scrip.catalog.v1 import catalog_pb2

from services.executor import mapping
from services.executor.jobs import Terms
from services.executor.patience import Patience
from services.executor.providers.metering import Meter
from services.executor.store import claims
from services.executor.store.rows import Claim, Job
from services.runtime import clock
from services.runtime.lifecycle import Signal
from services.runtime.postgres import OUTAGES, Pool


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
    meter: Meter | None = None
    """What its call has used so far, where that is counted here."""

    @property
    def job(self) -> Job:
        """Its row when it was claimed."""
        return self.claim.job

    @property
    def key(self) -> tuple[str, int]:
        """Job id and fence."""
        return self.claim.job.job_id, self.claim.job.fence

    @property
    def metered(self) -> dict[str, int] | None:
        """Units used so far; None where they are not counted here."""
        return self.meter.units() if self.meter else None

    def is_ours(self) -> bool:
        """Whether nobody else can hold it yet."""
        return clock.monotonic() < self.leased_until


class Leases:
    """All held jobs; renews their leases in one statement, at a third of their length."""

    def __init__(self, pool: Pool, lease_seconds: float) -> None:
        self._pool = pool
        self.seconds = lease_seconds
        self._held: dict[tuple[str, int], Held] = {}
        self._patience = Patience("database (leases)")
        self._never = Signal()

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, claim: Claim, sent_at: float) -> Held:
        """Takes a claim whose statement was sent at `sent_at` on the monotonic clock."""
        quote = catalog_pb2.Quote.FromString(claim.quote)
        held = Held(claim, mapping.terms_of(quote), quote.limits.timeout_ms / 1000, sent_at + self.seconds)
        self._held[held.key] = held
        return held

    def release(self, held: Held) -> None:
        """Lets the lease end by itself."""
        self._held.pop(held.key, None)

    async def run(self) -> None:
        """Renews for ever; in an outage of the database leases run out, and calls under way still may tell their
        outcome if nobody took the job meanwhile."""
        while True:
            pause = self.seconds / 3
            try:
                await self._renew()
                self._patience.worked()
            except OUTAGES as error:
                pause = min(pause, self._patience.failed(error))
            await self._never.wait(pause)

    async def _renew(self) -> None:
        if not self._held:
            return
        sent_at = clock.monotonic()
        renewed = await claims.renew(self._pool, list(self._held), self.seconds)
        for held in self._held.values():
            if held.job.job_id in renewed:
                held.leased_until = max(held.leased_until, sent_at + self.seconds)
