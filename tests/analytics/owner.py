"""A real owner of a log, as small as can be: the runtime's event log in a database of its own behind ReadEvents."""

import contextlib
import hashlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from scrip.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from scrip.executor.v1 import executor_pb2, executor_pb2_grpc
from scrip.ledger.v1 import ledger_pb2, ledger_pb2_grpc

from services.analytics.sources import SOURCES
from services.cli.local.ports import free_ports
from services.runtime import event_log, grpc_server, postgres
from services.runtime.broker import Broker
from services.runtime.event_log import EventLog
from services.runtime.grpc_client import Peer
from services.runtime.identity import ServiceTokens
from services.runtime.relay import Relay
from tests.harness.databases import Database

SHARDS = 4
TOKEN = "scrip_svc_analytics_test"
_API: dict[str, tuple[Any, Any, str]] = {
    "ledger": (ledger_pb2, ledger_pb2_grpc, "LedgerService"),
    "catalog": (catalog_pb2, catalog_pb2_grpc, "CatalogService"),
    "executor": (executor_pb2, executor_pb2_grpc, "ExecutorService"),
}


class Owner:
    """An owner of a log of four shards. It can serve and stop serving; what it wrote stays."""

    def __init__(self, source: str, database: Database, folder: Path) -> None:
        self.source = SOURCES[source]
        self.database = database
        self.address = f"127.0.0.1:{free_ports(1)[0]}"
        self._tokens = folder / "tokens"
        self._tokens.write_text(f"analytics {hashlib.sha256(TOKEN.encode()).hexdigest()}\n")
        self.log = EventLog(self.source.batch_type, SHARDS, "owner")
        self.asked: list[dict[int, int]] = []
        self._pool: postgres.Pool | None = None

    @property
    def pool(self) -> postgres.Pool:
        assert self._pool is not None
        return self._pool

    def peer(self) -> Peer:
        """The way to it, as the analytics service goes."""
        return Peer(self.source.name, self.address, TOKEN)

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Lets it write."""
        async with postgres.open_pool(self.database.dsn, "owner", size=5) as pool:
            self._pool = pool
            yield

    async def commit(self, shard: int, *events: Any) -> None:
        """Writes one commit."""
        await self.commit_all([(shard, event) for event in events])

    async def commit_all(self, events: Sequence[tuple[int, Any]]) -> None:
        """Writes one commit a shard."""
        async with self.pool.connection() as connection, connection.transaction():
            await self.log.append(connection, events)

    def relay(self, broker: Broker) -> Relay:
        """Its relay to NATS."""
        return Relay(self.pool, broker, self.source.name, self.source.batch_type, self.log.appended)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Lets it answer ReadEvents."""
        api, api_grpc, service = _API[self.source.name]
        owner = self

        class Servicer(getattr(api_grpc, f"{service}Servicer")):  # type: ignore[misc]
            async def ReadEvents(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
                cursors = {cursor.shard: cursor.after_seq for cursor in request.cursors}
                owner.asked.append(dict(cursors))
                async for row in event_log.follow(owner.pool, cursors, request.follow, owner.log.appended):
                    batch = owner.source.batch_type.FromString(row.body)
                    yield api.ReadEventsResponse(batch=batch, hash=row.hash)

        async def is_ready() -> bool:
            return True

        add = getattr(api_grpc, f"add_{service}Servicer_to_server")
        async with grpc_server.serve(
            self.address,
            ServiceTokens(self._tokens),
            api.DESCRIPTOR.services_by_name[service],
            lambda server: add(Servicer(), server),
            is_ready,
        ):
            yield
