"""Work that a provider has begun outlives whoever asked for it: it is committed before the first look, and from then on
any executor can go on with the job."""

from collections.abc import Sequence

from services.executor.patience import Patience
from services.executor.providers.begun import Begun
from services.executor.running.leases import Held
from services.executor.store import works
from services.executor.store.works import Beginning
from services.runtime import logs
from services.runtime.grouping import Grouped
from services.runtime.postgres import Pool

log = logs.get("resumption")


class ClaimLostError(Exception):
    """The job is another's by now."""


class HandedOverError(Exception):
    """This executor stops, and another one goes on with the job."""


class Resumption:
    """One a process; `run` is its worker."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._stopping = False
        self._patience = Patience("database (works)")
        self._beginnings: Grouped[Beginning, bool] = Grouped("executor", "works", self._keep)
        self.run = self._beginnings.run

    def stop(self) -> None:
        """From now on nobody here looks at work that begins."""
        self._stopping = True

    async def keep(self, held: Held, begun: Begun) -> None:
        """Commits what a provider has begun for a job. Raises ClaimLostError, HandedOverError."""
        work = Beginning(*held.key, begun.answer_json, begun.request_id, held.seconds_left())
        if not await self._beginnings.do(work):
            log.warning("claim_lost", job_id=held.job.job_id)
            raise ClaimLostError
        held.resumable = True
        if self._stopping:
            raise HandedOverError

    async def _keep(self, beginnings: Sequence[Beginning]) -> list[bool]:
        return await self._patience.insist(lambda: works.keep(self._pool, beginnings))
