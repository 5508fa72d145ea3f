"""The catalog's tables: reading them, and what executors say.

Tools and categories are changed within `changes` alone, which moves the head of the event log on with each change: its
number is the stamp of the whole catalog, and who has read at that number has missed nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from services.catalog.availability import GOOD_SECONDS
from services.catalog.categories import Category
from services.catalog.manifests.manifest import Content
from services.catalog.manifests.price import PricePart
from services.catalog.pricing import Price
from services.catalog.tool import Scheduled, Tool, ToolVersion
from services.runtime.postgres import Pool

# The catalog's log has one shard.
SHARD = 0
AVAILABILITY_HOURS = 1

_VERSION = "v.slug, v.version, v.digest, v.content, v.created_at"
PRICE_COLUMNS = "p.price_version, p.form, p.origin"
_TOOL = f"t.enabled, t.manifest_price, t.operator_price, t.scheduled_price, t.scheduled_at, {_VERSION}, {PRICE_COLUMNS}"
_IN_FORCE = "LEFT JOIN tool_version v USING (slug, version) LEFT JOIN price p USING (slug, price_version)"

Connection = psycopg.AsyncConnection[Any]


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A row of `tool_version`."""

    slug: str
    version: int
    digest: str
    content: str
    created_at: datetime

    def made(self) -> ToolVersion:
        """The version itself; raises ValidationError if this program cannot read what an earlier one wrote."""
        return ToolVersion(self.version, Content.model_validate(json.loads(self.content)), self.digest, self.created_at)


@dataclass(frozen=True, slots=True)
class PriceRow:
    """A row of `price`."""

    price_version: int
    form: dict[str, Any]
    origin: str

    def made(self) -> Price:
        """The price itself."""
        return PricePart.model_validate(self.form).price()


@dataclass(frozen=True, slots=True)
class ToolRow:
    """A tool with what is in force, and its prices as manifests have them."""

    enabled: bool
    manifest_price: dict[str, Any]
    operator_price: dict[str, Any] | None
    scheduled_price: dict[str, Any] | None
    scheduled_at: datetime | None
    version: VersionRow
    price: PriceRow

    @classmethod
    def of(cls, row: Sequence[Any]) -> "ToolRow":
        """The columns of _TOOL."""
        enabled, manifest_price, operator_price, scheduled_price, scheduled_at = row[:5]
        version, price = VersionRow(*row[5:10]), PriceRow(*row[10:])
        return cls(enabled, manifest_price, operator_price, scheduled_price, scheduled_at, version, price)

    def made(self, versions: Mapping[tuple[str, int], ToolVersion]) -> Tool:
        """The tool, with its version from `versions` if it is there."""
        known = versions.get((self.version.slug, self.version.version))
        scheduled = None
        if self.scheduled_price is not None and self.scheduled_at is not None:
            scheduled = Scheduled(PricePart.model_validate(self.scheduled_price).price(), self.scheduled_at)
        return Tool(
            current=known or self.version.made(),
            price_version=self.price.price_version,
            price=self.price.made(),
            enabled=self.enabled,
            origin=self.price.origin,
            scheduled=scheduled,
        )


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A row of `availability`; `age_seconds` by the database's clock."""

    executor_id: str
    slug: str
    version: int
    reason: str
    age_seconds: float


async def read_all(pool: Pool) -> tuple[int, list[ToolRow], list[Category]]:
    """The stamp and all tools as of it, in the order of their slugs: one statement sees one moment. Categories may be
    newer; then the stamp is another one the next time."""
    async with pool.connection() as connection:
        cursor = await connection.execute(
            f"SELECT h.seq, {_TOOL} FROM head h LEFT JOIN tool t ON true {_IN_FORCE}"
            f' WHERE h.shard = {SHARD} ORDER BY t.slug COLLATE "C"'
        )
        rows: list[Any] = await cursor.fetchall()
        categories = await read_categories(connection)
    if not rows:
        raise LookupError("the event log has no head; was the database migrated?")
    return int(rows[0][0]), [ToolRow.of(row[1:]) for row in rows if row[1] is not None], categories


async def read_stamp(pool: Pool) -> tuple[int, list[ReportRow]]:
    """The stamp, and what executors said within the last 30 seconds; one statement, all that a refresh needs mostly."""
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT h.seq, a.executor_id, a.slug, a.version, a.reason,"
            " extract(epoch FROM clock_timestamp() - a.reported_at)::float8"
            " FROM head h LEFT JOIN availability a"
            f" ON a.reported_at > clock_timestamp() - interval '{GOOD_SECONDS} seconds' WHERE h.shard = {SHARD}"
        )
        rows: list[Any] = await cursor.fetchall()
    if not rows:
        raise LookupError("the event log has no head; was the database migrated?")
    return int(rows[0][0]), [ReportRow(*row[1:]) for row in rows if row[1] is not None]


async def read_version(pool: Pool, slug: str, version: int) -> ToolVersion | None:
    """One version of one tool, however old."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(VersionRow)) as cursor:
        await cursor.execute(f"SELECT {_VERSION} FROM tool_version v WHERE slug = %s AND version = %s", (slug, version))
        row = await cursor.fetchone()
    return row.made() if row else None


async def read_price(pool: Pool, slug: str, price_version: int) -> Price | None:
    """One price of one tool, however old."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(PriceRow)) as cursor:
        await cursor.execute(
            f"SELECT {PRICE_COLUMNS} FROM price p WHERE slug = %s AND price_version = %s", (slug, price_version)
        )
        row = await cursor.fetchone()
    return row.made() if row else None


async def report(pool: Pool, executor_id: str, reports: Sequence[tuple[str, int, str]]) -> None:
    """Keeps what an executor says: slug, version and why it cannot run it (empty: it can)."""
    columns = [list(column) for column in zip(*reports, strict=True)] or [[], [], []]
    async with pool.connection() as connection, connection.transaction():
        await connection.execute(
            "INSERT INTO availability (executor_id, slug, version, reason, reported_at)"
            " SELECT %s, slug, version, reason, clock_timestamp()"
            " FROM unnest(%s::text[], %s::int[], %s::text[]) AS r (slug, version, reason) ORDER BY slug, version"
            " ON CONFLICT ON CONSTRAINT one_word_of_an_executor_a_version"
            " DO UPDATE SET reason = excluded.reason, reported_at = excluded.reported_at",
            (executor_id, *columns),
        )
        await connection.execute(
            "DELETE FROM availability WHERE ctid = ANY (ARRAY(SELECT ctid FROM availability"
            f" WHERE reported_at < clock_timestamp() - interval '{AVAILABILITY_HOURS} hours'"
            " FOR UPDATE SKIP LOCKED LIMIT 1000))"
        )


async def read_tool(connection: Connection, slug: str) -> ToolRow | None:
    """One tool with what is in force."""
    cursor = await connection.execute(f"SELECT {_TOOL} FROM tool t {_IN_FORCE} WHERE t.slug = %s", (slug,))
    row = await cursor.fetchone()
    return ToolRow.of(row) if row else None


async def read_categories(connection: Connection) -> list[Category]:
    """All categories, in the order they are shown in."""
    cursor = await connection.execute(
        "SELECT slug, name, icon, description, sort_order FROM category WHERE deleted_at IS NULL"
        " ORDER BY sort_order, slug"
    )
    names = ("slug", "name", "icon", "description", "sort_order")
    return [Category(**dict(zip(names, row, strict=True))) for row in await cursor.fetchall()]


async def read_tools_of_category(connection: Connection, category: str) -> list[str]:
    """The slugs of the tools whose newest version is in a category."""
    cursor = await connection.execute(
        "SELECT t.slug FROM tool t JOIN tool_version v USING (slug, version)"
        " WHERE v.content::json ->> 'category' = %s ORDER BY t.slug",
        (category,),
    )
    return [str(slug) for (slug,) in await cursor.fetchall()]
