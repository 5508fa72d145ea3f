"""Compares jobs with reservations, both ways, and tells what does not fit; in a healthy system that is nothing.

A run looks at all that is open on either side, and at what was settled since the last one. It changes neither jobs nor
reservations. Reads are never of one moment, so whatever looks wrong is read again on the other side before it counts.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from scrip.ledger.v1 import ledger_pb2

from scrip_client import LedgerError
from services.executor import meters
from services.executor.patience import Patience
from services.executor.rules import findings
from services.executor.rules.findings import Finding, Kind, Report
from services.executor.store import queries, reconciliations
from services.executor.store.reconciliations import Place, Standing
from services.executor.store.rows import Job
from services.executor.upkeep.reservations import Reservations
from services.runtime import clock, logs
from services.runtime.errors import unavailable
from services.runtime.lifecycle import Signal
from services.runtime.postgres import OUTAGES, Pool

log = logs.get("reconciler")
T = TypeVar("T")

# The minute for which the gateway reserves, and another one for all that is slow.
GRACE_SECONDS = 120.0
# What is written now may have a time so long ago: transactions take a while to commit.
COMMIT_SECONDS = 10.0
RUN_SECONDS = 60.0
BATCH = 500
# Settled jobs that one run compares; the next one goes on there.
COMPARED_MAX = 100_000
FINDINGS_MAX = 1_000
# Who has not had the turn looks again after a part of the interval.
LOOKS = 4


class Reconciler:
    """One a process; of all of them one has the turn."""

    def __init__(self, pool: Pool, reservations: Reservations, interval_seconds: float) -> None:
        self._pool = pool
        self._reservations = reservations
        self._interval = interval_seconds
        self._one_at_a_time = asyncio.Lock()
        self._ran_at: datetime | None = None
        self._patience = Patience("ledger or database (reconciliation)", first_seconds=1.0, most_seconds=30.0)
        self._never = Signal()
        meters.RECONCILED.set_function(self._age_seconds)

    def _age_seconds(self) -> float:
        """Since the last run that came to its end began, whoever ran it; not a number: there was none yet."""
        return (clock.now() - self._ran_at).total_seconds() if self._ran_at else float("nan")

    async def run(self) -> None:
        """Runs for ever, in turn with other executors; outages are waited out."""
        while True:
            pause = self._interval / LOOKS
            try:
                if await reconciliations.take_turn(self._pool, self._interval):
                    await self._reconcile(GRACE_SECONDS, keeps=True)
                await self._measure()
                self._patience.worked()
            except (LedgerError, TimeoutError, *OUTAGES) as error:
                pause = self._patience.failed(error)
            await self._never.wait(pause)

    async def run_now(self, grace_seconds: float | None) -> Report:
        """A run at once; one with a grace of its own keeps nothing. Raises UPSTREAM_UNAVAILABLE."""
        keeps = grace_seconds is None
        try:
            report = await self._reconcile(GRACE_SECONDS if grace_seconds is None else grace_seconds, keeps)
            await self._measure()
        except (LedgerError, TimeoutError) as error:
            raise unavailable("ledger") from error
        return report

    async def _measure(self) -> None:
        for kind, count in (await reconciliations.counts(self._pool)).items():
            meters.FINDINGS.labels(kind).set(count)
        self._ran_at = (await reconciliations.standing(self._pool)).ran_at

    async def _reconcile(self, grace_seconds: float, keeps: bool) -> Report:
        async with self._one_at_a_time, asyncio.timeout(RUN_SECONDS):
            standing = await reconciliations.standing(self._pool)
            known = await reconciliations.known(self._pool, len(Kind) * FINDINGS_MAX)
            run = _Run(self._pool, self._reservations, standing, standing.now - timedelta(seconds=grace_seconds))
            report = await run.report([one for one in known if one.kind is Kind.CAPTURED_OTHERWISE])
            if keeps:
                found = {one.key for one in report.findings}
                gone = [one for one in known if one.key not in found and one.kind not in report.cut_off]
                until = min(report.compared_until, standing.now - timedelta(seconds=COMMIT_SECONDS))
                await reconciliations.keep(self._pool, report.findings, gone, standing.now, until)
        for one in report.findings[:10]:
            log.error("finding", kind=one.kind, job_id=one.job_id, account_id=one.account_id, reason=one.reason)
        return report


class _Run:
    """One run; `before` is when what is a finding must have begun."""

    def __init__(self, pool: Pool, reservations: Reservations, standing: Standing, before: datetime) -> None:
        self._pool = pool
        self._reservations = reservations
        self._standing = standing
        self._before = before
        self._found: dict[Kind, dict[tuple[Kind, str, str], Finding]] = {kind: {} for kind in Kind}

    async def report(self, captured_otherwise: Sequence[Finding]) -> Report:
        """All that does not fit; `captured_otherwise`: what earlier runs found of it, which is looked at again."""
        await self._tell_unsettled(await reconciliations.unsettled(self._pool, self._before, FINDINGS_MAX))
        await self._tell_unsettled(await reconciliations.refused(self._pool, FINDINGS_MAX))
        for part in _parts(captured_otherwise):
            await self._compare(list((await queries.jobs(self._pool, [one.job_id for one in part])).values()))
        compared_until = await self._compare_settled()
        await self._compare_open()
        await self._compare_begun()
        return Report(
            findings=sorted((one for of_kind in self._found.values() for one in of_kind.values()), key=_age),
            cut_off=frozenset(kind for kind in Kind if self._is_cut_off(kind)),
            ran_at=self._standing.now,
            compared_until=compared_until,
        )

    async def _tell_unsettled(self, jobs: Sequence[Job]) -> None:
        """They are findings whatever the ledger has; it is told beside."""
        for some in _parts(jobs):
            found = await self._reserved_for(some)
            self._add(findings.of_unsettled(job, found.get(job.job_id)) for job in some)

    async def _compare_settled(self) -> datetime:
        """What was settled since the last run; answers until when."""
        place = Place(self._standing.compared_until)
        for _ in range(COMPARED_MAX // BATCH):
            if self._is_cut_off(Kind.CAPTURED_OTHERWISE):
                return place.settled_at
            before, place = place, (await self._compare_some(place))
            if before == place:
                return max(self._before, place.settled_at)
        return place.settled_at

    async def _compare_some(self, after: Place) -> Place:
        jobs, place = await reconciliations.settled(self._pool, after, self._before, BATCH)
        await self._compare(jobs)
        return place

    async def _compare(self, jobs: Sequence[Job]) -> None:
        found = await self._reserved_for(jobs)
        self._add(findings.of_settled(job, found.get(job.job_id)) for job in jobs)

    async def _compare_open(self) -> None:
        """What holds credits: of each that has no job, or one that is settled, is asked again whether it does."""
        async for page in self._reservations.open_before(self._before):
            jobs = await queries.jobs(self._pool, [one.reservation_id for one in page])
            doubtful = [one for one in page if findings.of_open(one, jobs.get(one.reservation_id))]
            again = await self._reservations.of([(one.account_id, one.reservation_id) for one in doubtful])
            still_open = [one for one in again.values() if one.state == findings.OPEN]
            self._add(findings.of_open(one, jobs.get(one.reservation_id)) for one in still_open)

    async def _compare_begun(self) -> None:
        """What needs its credits: of each whose reservation has ended is asked again whether the job has not."""
        jobs = await reconciliations.begun(self._pool, self._before, FINDINGS_MAX)
        for some in _parts(jobs):
            found = await self._reserved_for(some)
            doubtful = [job.job_id for job in some if findings.of_begun(job, found.get(job.job_id))]
            again = await queries.jobs(self._pool, doubtful)
            self._add(findings.of_begun(job, found.get(job.job_id)) for job in again.values())

    async def _reserved_for(self, jobs: Sequence[Job]) -> dict[str, ledger_pb2.Reservation]:
        """Their reservations that there are, by job."""
        found = await self._reservations.of([(job.account_id, job.job_id) for job in jobs])
        return {job_id: reservation for (_, job_id), reservation in found.items()}

    def _add(self, found: Iterable[Finding | None]) -> None:
        for one in found:
            if one and not self._is_cut_off(one.kind):
                self._found[one.kind][one.key] = one

    def _is_cut_off(self, kind: Kind) -> bool:
        return len(self._found[kind]) >= FINDINGS_MAX


def _parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """As many as the ledger is asked about at once."""
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]


def _age(finding: Finding) -> datetime:
    return finding.since
