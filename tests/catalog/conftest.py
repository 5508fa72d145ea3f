"""The catalog's parts on a fresh database."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import psycopg
import pytest
from psycopg import sql
from scrip.catalog.v1 import events_pb2

from services.catalog import applying, category_changes, prices, store, switching
from services.catalog.applying import Applied
from services.catalog.categories import Category
from services.catalog.manifests.manifest import Manifest
from services.catalog.manifests.price import PricePart
from services.catalog.quoting import Quoter
from services.catalog.snapshot import Snapshot
from services.runtime import event_log, ids, postgres
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
        changed = await applying.ship(self.pool, self.log, (), manifests)
        await self.snapshot.refresh()
        return changed

    async def categories(self, *slugs: str) -> None:
        """Makes categories."""
        for slug in slugs:
            await category_changes.apply(self.pool, self.log, Category(slug=slug, name=slug.title()), ids.uuid7())

    async def apply(self, manifest: Manifest, request_id: str = "") -> Applied:
        """Applies a manifest and sees it."""
        applied, _ = await applying.apply(self.pool, self.log, manifest, request_id or ids.uuid7())
        await self.snapshot.refresh()
        return applied

    async def set_price(self, base: str, at: str = "", request_id: str = "", **members: str) -> None:
        """An operator's price of count-words, seen; `at`: from then on."""
        price = PricePart(base=base, **members)  # type: ignore[arg-type]
        moment = datetime.fromisoformat(at) if at else None
        await prices.set_price(self.pool, self.log, "count-words", price, moment, request_id or ids.uuid7())
        await self.snapshot.refresh()

    async def switch(self, slug: str, enabled: bool, request_id: str) -> None:
        """Turns a tool's switch, without looking."""
        await switching.set_enabled(self.pool, self.log, slug, enabled, request_id)

    async def report(self, slug: str, version: int = 1, reason: str = "", executor: str = "e1") -> None:
        """An executor's word, seen."""
        await store.report(self.pool, executor, [(slug, version, reason)])
        await self.snapshot.refresh()

    async def events(self) -> list[events_pb2.Event]:
        """Everything that happened."""
        rows = await event_log.read(self.pool, 0, 0)
        return [event for row in rows for event in events_pb2.EventBatch.FromString(row.body).events]

    async def kinds(self) -> list[str]:
        """What happened to tools, as words with the version or price version that came of it."""
        words = {
            events_pb2.EVENT_KIND_TOOL_VERSION_CREATED: lambda event: f"{event.tool} v{event.version}",
            events_pb2.EVENT_KIND_PRICE_CHANGED: lambda event: f"{event.tool} price {event.price_version}",
            events_pb2.EVENT_KIND_TOOL_ENABLED: lambda event: f"{event.tool} on",
            events_pb2.EVENT_KIND_TOOL_DISABLED: lambda event: f"{event.tool} off",
            events_pb2.EVENT_KIND_PRICE_SCHEDULED: lambda event: f"{event.tool} price scheduled",
            events_pb2.EVENT_KIND_PRICE_UNSCHEDULED: lambda event: f"{event.tool} price unscheduled",
            events_pb2.EVENT_KIND_MANIFEST_PRICE_CHANGED: lambda event: f"{event.tool} manifest price",
        }
        return [words[event.kind](event) for event in await self.events() if event.tool]


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
