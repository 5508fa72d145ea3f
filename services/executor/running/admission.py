"""Whether a claimed job may run now, here: its tool can run, its provider has a place, and its reservation is open."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from scrip.catalog.v1 import catalog_pb2

from services.executor.patience import Patience
from services.executor.providers.health import Health, Hindrance
from services.executor.rules import endings
from services.executor.rules.jobs import Transition
from services.executor.running.leases import Held
from services.executor.running.specs import RunSpec, RunSpecs
from services.executor.store.claims import Shunned
from services.executor.store.rows import Job
from services.executor.upkeep.reservations import Opening, Reservations
from services.runtime.errors import Refusal
from services.runtime.grouping import Grouped

# A tool this executor cannot run may run on another one; after this long nobody is expected any more.
RUNNABLE_WITHIN_SECONDS = 120.0
# A provider that is down comes back; jobs wait for it, and nobody is charged.
PROVIDER_WITHIN_SECONDS = 24 * 3600.0
ELSEWHERE_SECONDS = 1.0
NO_ANSWER_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class PutBack:
    """The job goes back to the queue, and nobody may claim it for so long."""

    seconds: float


class Admission:
    """One a process; `run` is its worker."""

    def __init__(self, reservations: Reservations, specs: RunSpecs, health: Health) -> None:
        self._reservations = reservations
        self._specs = specs
        self._health = health
        self.ledger = Patience("ledger (extensions)")
        self._extensions: Grouped[Job, Opening] = Grouped("executor", "extensions", self._extend)
        self.run = self._extensions.run

    @property
    def calls(self) -> int:
        """Calls of providers under way."""
        return self._health.calls

    def shunned(self) -> Shunned:
        """What need not be claimed, because it could not be admitted."""
        hindered = {Hindrance.FULL: list[str](), Hindrance.DOWN: list[str]()}
        for version, host in self._specs.providers():
            if hindrance := self._health.hindrance(host):
                hindered[hindrance].append(version)
        return Shunned(hindered[Hindrance.FULL], hindered[Hindrance.DOWN], PROVIDER_WITHIN_SECONDS)

    async def admit(self, held: Held) -> RunSpec | PutBack | Transition:
        """How to run the job; or that it has to wait, or how it ended. A place at its provider is its own then, until
        `held.visit` is left."""
        try:
            spec = await self._specs.get(held.job.tool, held.job.tool_version)
        except Refusal as refusal:
            if refusal.reason != "TOOL_NOT_FOUND":
                return PutBack(ELSEWHERE_SECONDS)
            return endings.not_run(held.key, held.terms, refusal.reason, "the catalog does not know this tool")
        if self._specs.obstacle(spec) != catalog_pb2.UNAVAILABLE_REASON_UNSPECIFIED:
            return _later(held, RUNNABLE_WITHIN_SECONDS, "no executor can run this version of the tool")
        if spec.http is not None:
            match self._health.visit(spec.http.host, resumes=held.claim.work is not None):
                case Hindrance.FULL:
                    return PutBack(0)
                case Hindrance.DOWN:
                    return _later(held, PROVIDER_WITHIN_SECONDS, "the tool's provider has been down for too long")
                case visit:
                    held.visit = visit
        return await self._opened(held) or spec

    async def _opened(self, held: Held) -> PutBack | Transition | None:
        """Extends the job's reservation; None where it is open."""
        match await self._extensions.do(held.job):
            case Opening.NO_ANSWER:
                # Kept meanwhile: the next one would not be answered either.
                await asyncio.sleep(max(self.ledger.pause_seconds, NO_ANSWER_SECONDS))
                return PutBack(0)
            case Opening.ENDED:
                message = "the credits reserved for this job were released before it could run"
                return endings.not_run(held.key, held.terms, "RESERVATION_ENDED", message)
            case Opening.OPEN:
                return None

    async def _extend(self, jobs: Sequence[Job]) -> list[Opening]:
        openings = await self._reservations.extend(jobs)
        if all(opening is Opening.NO_ANSWER for opening in openings):
            self.ledger.failed("no answer")
        else:
            self.ledger.worked()
        return openings


def _later(held: Held, within_seconds: float, message: str) -> PutBack | Transition:
    """Back into the queue, or the end of a job that has waited for longer than `within_seconds`."""
    if held.waited_seconds() > within_seconds:
        return endings.not_run(held.key, held.terms, "TOOL_UNAVAILABLE", message)
    return PutBack(ELSEWHERE_SECONDS)
