"""A saga and all around it, on a real database and doubles of the peers."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, cast

import psycopg
import pytest

from scrip_client import LedgerClient
from services.gateway.idempotency import IdempotencyStore
from services.gateway.inputs import Input
from services.gateway.keyed_saga import KeyedSaga
from services.gateway.peers import Ledger, Peers
from services.gateway.rate_limits import RateLimits
from services.gateway.rate_store import RateStore
from services.gateway.saga import Driven, Order, Saga
from services.runtime import lifecycle, postgres
from services.runtime.errors import Refusal
from services.runtime.postgres import Pool
from tests.gateway.doubles import CatalogDouble, ExecutorDouble, LedgerDouble
from tests.harness.databases import Database, Databases

ORDER = Order("acme", "key", "echo", Input(b"{}", ()), "", "", {})


@dataclass
class World:
    """A saga and all around it."""

    pool: Pool
    database: Database
    ledger: LedgerDouble
    client: LedgerClient
    catalog: CatalogDouble = field(default_factory=CatalogDouble)
    executor: ExecutorDouble = field(default_factory=ExecutorDouble)

    def __post_init__(self) -> None:
        catalog, executor = cast("Any", self.catalog), cast("Any", self.executor)
        self.store = IdempotencyStore(self.pool)
        self.rates = RateLimits(RateStore(self.pool))
        self.saga = Saga(Peers(catalog, Ledger(self.client), executor, analytics=catalog), self.rates)
        self.keyed = KeyedSaga(self.saga, self.store)

    async def start(self, order: Order = ORDER, content: bytes = b"c", key: str = "k") -> Driven:
        """Executes under a key."""
        return await self.keyed.start(order, key, content)

    async def refused(self, order: Order = ORDER, keyed: bool = True, key: str = "k") -> Refusal:
        """Executes, and is refused."""
        with pytest.raises(Refusal) as refused:
            await (self.start(order, key=key) if keyed else self.saga.start(order))
        return refused.value

    def state(self, job_id: str) -> Any:
        """State of a reservation."""
        return self.ledger.reservations[job_id].state

    def pass_time(self) -> None:
        """Every driver's time is over."""
        with psycopg.connect(self.database.owner_dsn, autocommit=True) as connection:
            connection.execute("UPDATE idempotency SET driver_until = now() - interval '1 s'")


@contextlib.asynccontextmanager
async def opened(databases: Databases) -> AsyncIterator[World]:
    """A new world while the body runs."""
    database = databases.create("gateway")
    ledger = LedgerDouble()
    async with (
        postgres.open_pool(database.dsn, "gateway") as pool,
        ledger.serving() as address,
        LedgerClient(address, "token") as client,
    ):
        world = World(pool, database, ledger, client)
        async with lifecycle.background(world.rates.run):
            yield world
