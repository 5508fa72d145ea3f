"""The catalog in memory: what pricing reads, so that a quote asks the database nothing.

Twice a second the stamp of the catalog is compared with the one read last, together with what executors said; what
changed is read again. A request that finds the last look too old looks itself before it goes on, so a tool switched off
through another replica is refused a second and a half later at most, database outage or not.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.catalog import store
from services.catalog.availability import GOOD_SECONDS, NO_EXECUTOR, Availability, Report
from services.catalog.categories import Category
from services.catalog.pricing import Price
from services.catalog.tool import Tool, ToolVersion
from services.runtime import clock, logs
from services.runtime.errors import unavailable
from services.runtime.postgres import OUTAGES, Pool

log = logs.get("snapshot")

REFRESH_SECONDS = 0.5
STALE_SECONDS = 1.5
READ_SECONDS_MAX = 2.0
KEPT_MAX = 1_000

T = TypeVar("T")


@dataclass(frozen=True)
class View:
    """The catalog at one moment. `tools` by slug, in the order of their slugs; categories in their own order."""

    stamp: int
    tools: dict[str, Tool]
    categories: list[Category]
    availability: Availability

    def unavailable_reason(self, version: ToolVersion) -> str:
        """Why no executor can run this version now; empty where one can.

        Executors tell of the newest versions. An older one, which a quote may still name, can be run as well as the
        newest if it runs the same way; and so can the newest one as the one before, of which they told last.
        """
        now = clock.monotonic()
        tool = self.tools[version.slug]
        if version.run_json == tool.current.run_json:
            version = tool.current
        reason = self.availability.reason(version.slug, version.version, now)
        before = tool.before if version is tool.current else None
        if reason == NO_EXECUTOR and before is not None and before.run_json == version.run_json:
            return self.availability.reason(version.slug, before.version, now)
        return reason


class _Kept(Generic[T]):
    """Immutable rows that were read, by slug and number; the least used go first."""

    def __init__(self) -> None:
        self._rows: OrderedDict[tuple[str, int], T] = OrderedDict()

    def get(self, key: tuple[str, int]) -> T | None:
        row = self._rows.get(key)
        if row is not None:
            self._rows.move_to_end(key)
        return row

    def put(self, key: tuple[str, int], row: T) -> None:
        self._rows[key] = row
        if len(self._rows) > KEPT_MAX:
            self._rows.popitem(last=False)


class Snapshot:
    """The newest view, and older versions and prices that quotes name."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._view: View | None = None
        self._versions: _Kept[ToolVersion] = _Kept()
        self._prices: _Kept[Price] = _Kept()
        self._lock = asyncio.Lock()
        # Monotonic times before which everything committed is in the view, and of the last try.
        self._seen_at = float("-inf")
        self._tried_at = float("-inf")
        self._down = False

    async def run(self) -> None:
        """Keeps the view new, for ever."""
        while True:
            try:
                await self._look(clock.monotonic())
            except (*OUTAGES, TimeoutError) as error:
                if not self._down:
                    log.warning("snapshot_waits", error=type(error).__name__)
                self._down = True
            else:
                self._down = False
            await asyncio.sleep(REFRESH_SECONDS)

    async def refresh(self) -> None:
        """Returns once the view has all that was committed before this call; raises UPSTREAM_UNAVAILABLE."""
        try:
            await self._look(clock.monotonic())
        except (*OUTAGES, TimeoutError) as error:
            # What the caller committed must not be hidden by the old view.
            self._seen_at = float("-inf")
            raise unavailable("database") from error

    async def fresh(self) -> View:
        """The view, at most a second and a half old; raises UPSTREAM_UNAVAILABLE."""
        if clock.monotonic() - self._seen_at > STALE_SECONDS:
            await self.refresh()
        return self.latest()

    def latest(self) -> View:
        """The view, however old; raises UPSTREAM_UNAVAILABLE if there never was one."""
        if self._view is None:
            raise unavailable("database")
        return self._view

    async def version(self, slug: str, version: int) -> ToolVersion | None:
        """A version of a tool: from memory if it is in force or was asked for before, else from the database."""
        tool = self.latest().tools.get(slug)
        if tool is not None and tool.current.version == version:
            return tool.current
        found = self._versions.get((slug, version))
        if found is None:
            found = await store.read_version(self._pool, slug, version)
            if found is not None:
                self._versions.put((slug, version), found)
        return found

    async def price(self, slug: str, price_version: int) -> Price | None:
        """A price of a tool, likewise."""
        tool = self.latest().tools.get(slug)
        if tool is not None and tool.price_version == price_version:
            return tool.price
        found = self._prices.get((slug, price_version))
        if found is None:
            found = await store.read_price(self._pool, slug, price_version)
            if found is not None:
                self._prices.put((slug, price_version), found)
        return found

    async def _look(self, asked_at: float) -> None:
        async with asyncio.timeout(READ_SECONDS_MAX), self._lock:
            if self._seen_at >= asked_at:
                # Another caller's look began after this one asked.
                return
            if self._tried_at >= asked_at:
                raise TimeoutError("another caller's look failed just now")
            began_at = self._tried_at = clock.monotonic()
            self._view = await self._read(began_at)
            self._seen_at = began_at

    async def _read(self, now: float) -> View:
        """`now` is from before the question, so that nothing said is believed for longer than it is good."""
        stamp, reports = await store.read_stamp(self._pool)
        said = [
            ((row.executor_id, row.slug, row.version), Report(row.reason, now + GOOD_SECONDS - row.age_seconds))
            for row in reports
        ]
        old = self._view
        availability = (old.availability if old else Availability()).merged(said, now)
        if old is not None and old.stamp == stamp:
            return View(stamp, old.tools, old.categories, availability)
        stamp, rows, categories = await store.read_all(self._pool)
        known = {}
        for tool in old.tools.values() if old else ():
            known[tool.current.slug, tool.current.version] = tool.current
            self._versions.put((tool.current.slug, tool.current.version), tool.current)
            self._prices.put((tool.current.slug, tool.price_version), tool.price)
        old_tools = old.tools if old else {}
        tools = [row.made(known) for row in rows]
        by_slug = {tool.current.slug: tool.followed(old_tools.get(tool.current.slug)) for tool in tools}
        return View(stamp, by_slug, categories, availability)
