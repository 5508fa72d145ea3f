"""Tells the catalog which tools run here: every ten seconds, and when it says that a tool is new. A report is good for
thirty."""

from typing import TYPE_CHECKING

from scrip.catalog.v1 import catalog_pb2, catalog_pb2_grpc

from services.executor.patience import Patience
from services.executor.providers.health import Health
from services.executor.running.pool import WorkerPool
from services.executor.running.specs import RunSpec, RunSpecs
from services.runtime import postgres
from services.runtime.errors import Refusal
from services.runtime.grpc_client import Peer
from services.runtime.lifecycle import Signal
from services.runtime.postgres import Pool

if TYPE_CHECKING:
    from scrip.catalog.v1.catalog_pb2_grpc import CatalogServiceAsyncStub

REPORT_SECONDS = 10.0
CALL_SECONDS = 5.0


class Availability:
    """Reports only while jobs can be taken: own database answers and the tool processes are there."""

    def __init__(
        self, executor_id: str, catalog: Peer, specs: RunSpecs, health: Health, pool: Pool, workers: WorkerPool
    ) -> None:
        self._executor_id = executor_id
        self._catalog = catalog
        self._specs = specs
        self._health = health
        self._pool = pool
        self._workers = workers
        self._stub: CatalogServiceAsyncStub = catalog_pb2_grpc.CatalogServiceStub(catalog.channel)
        self._patience = Patience("catalog", first_seconds=0.25)
        self._again = Signal()
        self._stopped = False

    def poke(self) -> None:
        """The catalog has changed, or a provider is down or back: reports soon."""
        self._again.poke()

    def stop(self) -> None:
        """No more reports; the last one lapses by itself."""
        self._stopped = True

    async def run(self) -> None:
        """Reports at once and then every ten seconds; an outage of the catalog is waited out."""
        while not self._stopped:
            pause = REPORT_SECONDS
            try:
                if self._workers.is_alive and await postgres.answers(self._pool):
                    await self._report()
                    self._patience.worked()
                else:
                    pause = 1.0
            except Refusal as error:
                pause = self._patience.failed(error)
            await self._again.wait(pause)

    async def _report(self) -> None:
        request = catalog_pb2.ReportAvailabilityRequest(executor_id=self._executor_id)
        async for tool, spec in self._specs.listed():
            request.tools.add(slug=tool.slug, version=tool.version, unavailable_reason=self._obstacle(spec))
        await self._catalog.call(self._stub.ReportAvailability, request, timeout=CALL_SECONDS)

    def _obstacle(self, spec: RunSpec) -> catalog_pb2.UnavailableReason:
        obstacle = self._specs.obstacle(spec)
        if (
            obstacle == catalog_pb2.UNAVAILABLE_REASON_UNSPECIFIED
            and spec.http
            and self._health.is_down(spec.http.host)
        ):
            return catalog_pb2.UNAVAILABLE_REASON_PROVIDER_DOWN
        return obstacle
