"""Shipping and switching tools: versions are made once, events tell of changes and of nothing else."""

import asyncio
from typing import Any

import psycopg
import pytest

from services.catalog.manifests.manifest import Manifest
from services.runtime.errors import Refusal
from tests.catalog.conftest import Catalog
from tests.catalog.samples import FILE_TOOL, manifest
from tests.harness.databases import Database


async def test_a_shipped_tool_comes_into_being_once(catalog: Catalog) -> None:
    """Its first version and price, with an event each that says what an analyst needs; a restart brings nothing."""
    assert await catalog.ship(manifest(), manifest(FILE_TOOL)) == ["count-words", "shrink"]
    assert await catalog.ship(manifest(), manifest(FILE_TOOL)) == []
    assert await catalog.kinds() == ["count-words v1", "count-words price 1", "shrink v1", "shrink price 1"]
    event = (await catalog.events())[0]
    assert (event.name, event.category, event.base_micros, event.per_unit_micros, event.unit, event.actor) == (
        *("Count words", "text", 500_000, 10_000),
        *("character", "service:catalog"),
    )
    assert len(event.manifest_digest) == 64


ROWS = [
    ("another description", {"description": "New."}, ["count-words v2"]),
    ("another limit", {"limits__timeout_ms": 5}, ["count-words v2"]),
    ("another price", {"price__base": "0.6"}, ["count-words price 2"]),
    ("another charging rule", {"price__charging": {"failed": "base"}}, ["count-words price 2"]),
    ("both", {"name": "Count", "price__base": "0.6"}, ["count-words v2", "count-words price 2"]),
    ("the same price, written differently", {"price__base": "0.500000"}, []),
]


@pytest.mark.parametrize(("changed", "happened"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
async def test_content_and_price_have_versions_of_their_own(
    catalog: Catalog, changed: dict[str, Any], happened: list[str]
) -> None:
    """What changes makes a new version of just that."""
    await catalog.ship(manifest())
    await catalog.ship(manifest(**changed))
    assert (await catalog.kinds())[2:] == happened


async def test_going_back_is_a_change_like_any_other(catalog: Catalog) -> None:
    """The content of version 1 shipped again after version 2 is version 3: versions never change."""
    for one in (manifest(), manifest(name="Count"), manifest()):
        await catalog.ship(one)
    assert (await catalog.kinds())[2:] == ["count-words v2", "count-words v3"]
    first = await catalog.snapshot.version("count-words", 1)
    third = await catalog.snapshot.version("count-words", 3)
    assert first and third
    assert (first.digest, first.content) == (third.digest, third.content)


async def test_two_replicas_that_start_together_ship_nothing_twice(catalog: Catalog, other: Catalog) -> None:
    """One of them does it, the other finds it done."""
    manifests: list[Manifest] = [manifest(slug=f"tool-{number}") for number in range(20)]
    shipped = await asyncio.gather(catalog.ship(*manifests), other.ship(*manifests))
    assert sorted(shipped, key=len) == [[], [one.slug for one in manifests]]
    assert len(await catalog.kinds()) == 40


async def test_the_operators_switch_survives_a_new_version(catalog: Catalog) -> None:
    """A tool that was switched off stays off, whatever is shipped."""
    await catalog.ship(manifest())
    await catalog.switch("count-words", False, "r1")
    await catalog.ship(manifest(name="Count"))
    assert catalog.snapshot.latest().tools["count-words"].enabled is False
    assert (await catalog.kinds())[2:] == ["count-words off", "count-words v2"]


async def test_a_tool_that_is_no_longer_shipped_stays(catalog: Catalog) -> None:
    """Jobs and statements name it."""
    await catalog.ship(manifest(), manifest(FILE_TOOL))
    await catalog.ship(manifest())
    assert list(catalog.snapshot.latest().tools) == ["count-words", "shrink"]


async def test_only_a_turn_of_the_switch_is_an_event(catalog: Catalog) -> None:
    """Switching off what is off changes nothing."""
    await catalog.ship(manifest())
    for number, enabled in enumerate((True, False, False, True, True)):
        await catalog.switch("count-words", enabled, f"r{number}")
    assert (await catalog.kinds())[2:] == ["count-words off", "count-words on"]


async def test_a_late_retry_does_not_turn_the_switch_back(catalog: Catalog) -> None:
    """A request id acts once, whatever happened since."""
    await catalog.ship(manifest())
    for request_id, enabled in (("a", False), ("b", True), ("a", False)):
        await catalog.switch("count-words", enabled, request_id)
    await catalog.snapshot.refresh()
    assert catalog.snapshot.latest().tools["count-words"].enabled is True


async def test_a_request_id_of_another_command_is_refused(catalog: Catalog) -> None:
    """It cannot be told which of the two was meant."""
    await catalog.ship(manifest(), manifest(FILE_TOOL))
    await catalog.switch("count-words", False, "a")
    for slug, enabled in (("count-words", True), ("shrink", False)):
        with pytest.raises(Refusal) as refused:
            await catalog.switch(slug, enabled, "a")
        assert refused.value.reason == "REQUEST_ID_REUSED"


async def test_concurrent_switches_come_one_after_the_other(catalog: Catalog, other: Catalog) -> None:
    """From two replicas at once, none is lost and none fails; events alternate."""
    await catalog.ship(manifest())
    await asyncio.gather(
        *((catalog, other)[number % 2].switch("count-words", number % 3 == 0, f"r{number}") for number in range(40))
    )
    kinds = (await catalog.kinds())[2:]
    assert kinds == (["count-words off", "count-words on"] * 20)[: len(kinds)]


@pytest.mark.parametrize("table", ["tool_version", "price", "log"])
async def test_versions_and_events_cannot_be_changed(catalog: Catalog, database: Database, table: str) -> None:
    """Not by the service itself: it has no privilege to."""
    await catalog.ship(manifest())
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET created_at = now()", f"TRUNCATE {table}"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.replace("created_at", "at") if table == "log" else statement)
