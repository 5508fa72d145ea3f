"""The catalog's parts on a fresh database."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import psycopg
import pytest
from psycopg import sql
from scrip.catalog.v1 import events_pb2

from services.catalog import changes, store
from services.catalog.manifest import Manifest
from services.catalog.quoting import Quoter
from services.catalog.snapshot import Snapshot
from services.runtime import event_log, postgres
from services.runtime.event_log import EventLog
from services.runtime.postgres import Pool
from tests.harness.databases import Database, Databases

KEYS = (b"k" * 32,)


@dataclass
class Catalog:
    """One replica, without its door and its background."""

    pool: Pool
    snapshot: Snapshot = field(init=False)
    log: EventLog = field(init=False)
    quoter: Quoter = field(init=False)

    def __post_init__(self) -> None:
        self.log = EventLog(events_pb2.EventBatch, 1, "test")
        self.snapshot = Snapshot(self.pool)
        self.quoter = Quoter(self.snapshot, KEYS)

    async def ship(self, *manifests: Manifest) -> list[str]:
        """Ships manifests and sees them."""
        changed = await changes.ship(self.pool, self.log, manifests)
        await self.snapshot.refresh()
        return changed

    async def switch(self, slug: str, enabled: bool, request_id: str) -> None:
        """Turns a tool's switch, without looking."""
        await changes.set_enabled(self.pool, self.log, slug, enabled, request_id)

    async def report(self, slug: str, version: int = 1, reason: str = "", executor: str = "e1") -> None:
        """An executor's word, seen."""
        await store.report(self.pool, executor, [(slug, version, reason)])
        await self.snapshot.refresh()

    async def events(self) -> list[events_pb2.Event]:
        """Everything that happened."""
        rows = await event_log.read(self.pool, 0, 0)
        return [event for row in rows for event in events_pb2.EventBatch.FromString(row.body).events]

    async def kinds(self) -> list[str]:
        """What happened, as words with the version or price version that came of it."""
        words = {
            events_pb2.EVENT_KIND_TOOL_VERSION_CREATED: lambda event: f"{event.tool} v{event.version}",
            events_pb2.EVENT_KIND_PRICE_CHANGED: lambda event: f"{event.tool} price {event.price_version}",
            events_pb2.EVENT_KIND_TOOL_ENABLED: lambda event: f"{event.tool} on",
            events_pb2.EVENT_KIND_TOOL_DISABLED: lambda event: f"{event.tool} off",
        }
        return [words[event.kind](event) for event in await self.events()]


@contextlib.contextmanager
def closed_database(database: Database) -> Iterator[None]:
    """Lets nobody but the superuser in."""
    limit = sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}")
    with psycopg.connect(database.owner_dsn, autocommit=True) as owner:
        owner.execute(limit.format(sql.Identifier(database.name), sql.Literal(0)))
    try:
        yield
    finally:
        with psycopg.connect(database.owner_dsn, autocommit=True) as owner:
            owner.execute(limit.format(sql.Identifier(database.name), sql.Literal(-1)))


@pytest.fixture
def database(databases: Databases) -> Database:
    """A fresh database of the catalog."""
    return databases.create("catalog")


@pytest.fixture
async def catalog(database: Database) -> AsyncIterator[Catalog]:
    """One replica on it."""
    async with postgres.open_pool(database.dsn, "catalog") as pool:
        yield Catalog(pool)


@pytest.fixture
async def other(database: Database) -> AsyncIterator[Catalog]:
    """Another replica on it."""
    async with postgres.open_pool(database.dsn, "catalog") as pool:
        yield Catalog(pool)
