"""What an executor talks to, opened in the order that is needed and closed in the opposite one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Self

from scrip_client import LedgerClient
from services.executor.providers.client import Client
from services.executor.running.pool import WorkerPool
from services.executor.settings import Settings
from services.runtime import postgres, tracing
from services.runtime.broker import Broker
from services.runtime.grpc_client import Peer
from services.runtime.postgres import Pool


@dataclass(frozen=True, slots=True)
class Connections:
    """One a process."""

    tool_processes: WorkerPool
    pool: Pool
    broker: Broker
    ledger: LedgerClient
    catalog: Peer
    client: Client
    """To providers."""

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, config: Settings) -> AsyncIterator[Self]:
        """All of them; none waits for the other side to be there, save for the tool processes, which are ours."""
        async with contextlib.AsyncExitStack() as stack:
            # Before anything of gRPC.
            tool_processes = WorkerPool(config.workers, config.worker_memory_mb)
            stack.push_async_callback(asyncio.to_thread, tool_processes.stop)
            pool = await stack.enter_async_context(postgres.open_pool(config.dsn, "executor"))
            broker = Broker(config.nats_url, "executor")
            stack.push_async_callback(broker.close)
            ledger = LedgerClient(config.ledger_address, config.service_token, metadata=tracing.metadata)
            stack.push_async_callback(ledger.close)
            catalog = Peer("catalog", config.catalog_address, config.service_token)
            stack.push_async_callback(catalog.close)
            client = Client(config.provider_bases)
            stack.push_async_callback(client.close)
            yield cls(tool_processes, pool, broker, ledger, catalog, client)
