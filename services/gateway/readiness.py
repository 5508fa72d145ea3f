"""Whether the whole system can serve, part by part. For people and for `scrip run`; no pod's probe asks it."""

import asyncio

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from scrip.catalog.v1 import catalog_pb2

from services.gateway import shapes
from services.gateway.peers import Peers
from services.runtime import postgres
from services.runtime.broker import Broker
from services.runtime.errors import Refusal
from services.runtime.postgres import Pool

ASK_SECONDS = 1.0
TOOLS_ASKED = 200


class SystemReadiness:
    """Asks every part at the same time, for at most a second each."""

    def __init__(self, pool: Pool, peers: Peers, broker: Broker) -> None:
        self._pool = pool
        self._peers = peers
        self._broker = broker

    async def ask(self) -> shapes.Readiness:
        """How the system is. Without NATS everything is served, but events wait: degraded."""
        services = (self._peers.catalog.peer, self._peers.executor.peer, self._peers.analytics)
        database, tools, ledger, *found = await asyncio.gather(
            self._database(), self._tools(), self._ledger(), *(self._service(peer.channel) for peer in services)
        )
        parts = {"database": database, "tools": tools, "ledger": ledger}
        parts |= {peer.name: part for peer, part in zip(services, found, strict=True)}
        serves = all(part.ready for part in parts.values())
        connected = self._broker.client is not None
        parts["nats"] = shapes.Part(connected, "" if connected else "not connected; events wait to be published")
        if not serves:
            return shapes.Readiness("unavailable", parts)
        return shapes.Readiness("ready" if connected else "degraded", parts)

    async def _database(self) -> shapes.Part:
        answers = await postgres.answers(self._pool)
        return shapes.Part(answers, "" if answers else "does not answer")

    async def _ledger(self) -> shapes.Part:
        """One replica is enough; that others do not serve is told all the same."""
        channels = self._peers.ledger.client.channels.values()
        parts = await asyncio.gather(*(self._service(channel) for channel in channels))
        ready = sum(part.ready for part in parts)
        if ready == 0:
            return parts[0]
        return shapes.Part(True, "" if ready == len(parts) else f"{ready} of {len(parts)} replicas serve")

    async def _service(self, channel: grpc.aio.Channel) -> shapes.Part:
        check = health_pb2_grpc.HealthStub(channel).Check
        try:
            response = await check(health_pb2.HealthCheckRequest(), timeout=ASK_SECONDS)
        except grpc.aio.AioRpcError:
            return shapes.Part(False, "does not answer")
        serving = response.status == health_pb2.HealthCheckResponse.SERVING
        return shapes.Part(serving, "" if serving else "cannot serve")

    async def _tools(self) -> shapes.Part:
        """Whether an executor takes work: one has reported to the catalog at least one tool of those switched on."""
        catalog = self._peers.catalog
        request = catalog_pb2.ListToolsRequest(page_size=TOOLS_ASKED)
        try:
            response = await catalog.peer.call(catalog.stub.ListTools, request, ASK_SECONDS, attempts=1)
        except Refusal:
            return shapes.Part(False, "the catalog does not answer")
        no_executor = catalog_pb2.UNAVAILABLE_REASON_NO_EXECUTOR
        waiting = [tool for tool in response.tools if tool.enabled]
        if waiting and all(not tool.available and tool.unavailable_reason == no_executor for tool in waiting):
            return shapes.Part(False, "no executor has reported yet")
        return shapes.Part(True)
