"""The catalog in memory: as new as promised, and there while the database is not."""

import asyncio

import pytest

from services.catalog import snapshot as snapshot_module
from services.catalog import store
from services.runtime.errors import Refusal
from tests.catalog.conftest import Catalog, closed_database
from tests.catalog.samples import FILE_TOOL, manifest
from tests.harness.databases import Database, Databases
from tests.harness.waiting import eventually


async def test_another_replicas_change_is_seen_without_being_asked_for(catalog: Catalog, other: Catalog) -> None:
    """The loop sees it within a second."""
    await catalog.ship(manifest())
    looking = asyncio.create_task(catalog.snapshot.run())
    await other.switch("count-words", False, "r1")
    await eventually(lambda: not catalog.snapshot.latest().tools["count-words"].enabled, 1.5)
    looking.cancel()


async def test_a_request_that_finds_an_old_view_looks_itself(
    catalog: Catalog, other: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So nothing is priced on a view older than promised, even where the loop is stuck."""
    await catalog.ship(manifest())
    await other.switch("count-words", False, "r1")
    monkeypatch.setattr(snapshot_module, "STALE_SECONDS", 0.0)
    assert (await catalog.snapshot.fresh()).tools["count-words"].enabled is False


async def test_many_requests_share_one_look(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who ask while a look is under way wait for the next one, all for the same."""
    await catalog.ship(manifest())
    looks = 0
    read = store.read_stamp

    async def counted(*arguments: object) -> object:
        nonlocal looks
        looks += 1
        return await read(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "read_stamp", counted)
    await asyncio.gather(*(catalog.snapshot.refresh() for _ in range(50)))
    assert looks <= 2


async def test_an_unchanged_catalog_is_not_read_again(catalog: Catalog) -> None:
    """The same stamp means the same tools, compiled schemas and all."""
    await catalog.ship(manifest())
    before = catalog.snapshot.latest().tools
    await catalog.snapshot.refresh()
    assert catalog.snapshot.latest().tools is before


async def test_what_did_not_change_is_not_compiled_again(catalog: Catalog) -> None:
    """A change of one tool leaves the versions of the others as they are in memory."""
    await catalog.ship(manifest(), manifest(FILE_TOOL))
    before = catalog.snapshot.latest().tools["shrink"].current
    await catalog.ship(manifest(name="Count"), manifest(FILE_TOOL))
    assert catalog.snapshot.latest().tools["shrink"].current is before


async def test_without_a_database_nothing_is_priced_but_the_list_lives(
    catalog: Catalog, databases: Databases, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A view that cannot be renewed may be shown, not sold from, until the database is back."""
    await catalog.ship(manifest())
    monkeypatch.setattr(snapshot_module, "STALE_SECONDS", 0.0)
    with closed_database(database):
        databases.disconnect(database)
        with pytest.raises(Refusal) as refused:
            await catalog.snapshot.fresh()
        assert refused.value.reason == "UPSTREAM_UNAVAILABLE"
        assert list(catalog.snapshot.latest().tools) == ["count-words"]

    async def prices() -> bool:
        try:
            return bool((await catalog.snapshot.fresh()).tools)
        except Refusal:
            return False

    await eventually(prices, 20)


async def test_before_the_first_look_there_is_nothing_to_show(catalog: Catalog) -> None:
    """It is refused as an outage, not as an empty catalog."""
    with pytest.raises(Refusal) as refused:
        catalog.snapshot.latest()
    assert refused.value.reason == "UPSTREAM_UNAVAILABLE"


async def test_reports_reach_the_other_replica(catalog: Catalog, other: Catalog) -> None:
    """What one was told, all know; and it is forgotten after 30 seconds of the database's clock."""
    await catalog.ship(manifest())
    await other.report("count-words")
    await catalog.snapshot.refresh()
    view = catalog.snapshot.latest()
    version = view.tools["count-words"].current
    assert view.unavailable_reason(version) == ""
    async with other.pool.connection() as connection:
        await connection.execute("UPDATE availability SET reported_at = reported_at - interval '31 seconds'")
    third = Catalog(other.pool)
    await third.snapshot.refresh()
    assert third.snapshot.latest().unavailable_reason(version) == "NO_EXECUTOR"


async def test_an_older_version_that_runs_the_same_way_is_as_available(catalog: Catalog) -> None:
    """Executors tell of the newest versions; quotes of the one before must not die of a new description."""
    await catalog.ship(manifest())
    first = catalog.snapshot.latest().tools["count-words"].current
    await catalog.ship(manifest(name="Count"))
    await catalog.report("count-words", version=2)
    assert catalog.snapshot.latest().unavailable_reason(first) == ""
    await catalog.ship(manifest(run__handler="count_better"))
    await catalog.report("count-words", version=3)
    assert catalog.snapshot.latest().unavailable_reason(first) == "NO_EXECUTOR"


async def test_what_dead_executors_said_is_cleared_away(catalog: Catalog) -> None:
    """Each start of an executor has a new id; what the old ones said is deleted after an hour."""
    await catalog.ship(manifest())
    await catalog.report("count-words", executor="old")
    async with catalog.pool.connection() as connection:
        await connection.execute("UPDATE availability SET reported_at = reported_at - interval '2 hours'")
    await catalog.report("count-words", executor="new")
    async with catalog.pool.connection() as connection:
        cursor = await connection.execute("SELECT executor_id FROM availability")
        assert await cursor.fetchall() == [("new",)]
