"""Prices that operators set: now, at a time ahead, and back."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from scrip.catalog.v1 import events_pb2

from services.catalog import prices
from services.catalog.schedule import Schedule
from services.runtime import clock
from services.runtime.errors import Refusal
from tests.catalog.conftest import Catalog
from tests.catalog.samples import manifest
from tests.harness.waiting import eventually

SLUG = "count-words"
LATER = "2031-01-01T00:00:00+00:00"


@pytest.fixture
async def priced(catalog: Catalog) -> Catalog:
    """A catalog with count-words, 0.5 credits and 0.01 a character."""
    await catalog.ship(manifest())
    return catalog


async def clear(catalog: Catalog) -> None:
    await prices.clear_price(catalog.pool, catalog.log, SLUG, f"clear-{len(await catalog.kinds())}")
    await catalog.snapshot.refresh()


def in_force(catalog: Catalog) -> tuple[int, int, str]:
    """Version, base and origin of the price in force."""
    tool = catalog.snapshot.latest().tools[SLUG]
    return tool.price_version, tool.price.tariff.base, tool.origin


async def test_an_operators_price_takes_the_manifests_place(priced: Catalog) -> None:
    """At once, as a new version, with an event that holds all of it; the same price again is no change."""
    await priced.set_price("2", unit="character", minimum="3")
    await priced.set_price("2.0", unit="character", minimum="3")
    assert in_force(priced) == (2, 2_000_000, "operator")
    assert (await priced.kinds())[2:] == [f"{SLUG} price 2"]
    event = (await priced.events())[-1]
    assert (event.base_micros, event.price_origin) == (2_000_000, events_pb2.PRICE_ORIGIN_OPERATOR)
    assert b'"minimum":"3"' in event.price_json


async def test_going_back_is_a_version_of_its_own(priced: Catalog) -> None:
    """The manifest's price in force again; where no other is, nothing happens."""
    await priced.set_price("2", unit="character")
    await clear(priced)
    await clear(priced)
    assert in_force(priced) == (3, 500_000, "manifest")
    assert (await priced.kinds())[2:] == [f"{SLUG} price 2", f"{SLUG} price 3"]


async def test_older_prices_stay_for_quotes_that_name_them(priced: Catalog) -> None:
    """Each version is what it was."""
    await priced.set_price("2", unit="character")
    found = [await priced.snapshot.price(SLUG, number) for number in (1, 2, 3)]
    assert [price and price.tariff.base for price in found] == [500_000, 2_000_000, None]


async def test_a_price_takes_effect_at_its_time_by_itself(priced: Catalog) -> None:
    """Without anybody asking, on the replica whose clock comes first; an event tells of it."""
    at = clock.now() + timedelta(seconds=0.3)
    await priced.set_price("2", at=at.isoformat(), unit="character")
    assert in_force(priced) == (1, 500_000, "manifest")
    running = asyncio.create_task(Schedule(priced.pool, priced.log, priced.snapshot).run())
    await eventually(lambda: in_force(priced) == (2, 2_000_000, "operator"), 10)
    running.cancel()
    assert priced.snapshot.latest().tools[SLUG].scheduled is None
    assert (await priced.kinds())[2:] == [f"{SLUG} price scheduled", f"{SLUG} price 2"]
    scheduled, changed = (await priced.events())[2:]
    assert scheduled.effective_at.ToDatetime(tzinfo=UTC) == at
    assert changed.actor == "service:catalog"


async def test_replicas_that_see_the_time_come_change_the_price_once(priced: Catalog, other: Catalog) -> None:
    """The second one finds it done."""
    await priced.set_price("2", at=LATER, unit="character")
    when = datetime.fromisoformat(LATER)
    await asyncio.gather(*(prices.take_effect(one.pool, one.log, when) for one in (priced, other, priced)))
    assert (await priced.kinds())[2:] == [f"{SLUG} price scheduled", f"{SLUG} price 2"]


async def test_before_its_time_nothing_takes_effect(priced: Catalog) -> None:
    """Not a microsecond."""
    await priced.set_price("2", at=LATER, unit="character")
    await prices.take_effect(priced.pool, priced.log, datetime.fromisoformat(LATER) - timedelta(microseconds=1))
    await priced.snapshot.refresh()
    assert in_force(priced) == (1, 500_000, "manifest")


async def test_a_scheduled_price_is_replaced_by_a_later_word_and_ended_by_going_back(priced: Catalog) -> None:
    """One at a time; a price set now leaves it alone."""
    await priced.set_price("2", at=LATER, unit="character")
    await priced.set_price("2", at=LATER, unit="character")
    await priced.set_price("4", at="2032-01-01T00:00:00+00:00", unit="character")
    await priced.set_price("3", unit="character")
    scheduled = priced.snapshot.latest().tools[SLUG].scheduled
    assert scheduled is not None
    assert (scheduled.price.tariff.base, scheduled.at.year) == (4_000_000, 2032)
    await clear(priced)
    assert priced.snapshot.latest().tools[SLUG].scheduled is None
    assert (await priced.kinds())[2:] == [
        f"{SLUG} price scheduled",
        f"{SLUG} price scheduled",
        f"{SLUG} price 2",
        f"{SLUG} price 3",
        f"{SLUG} price unscheduled",
    ]


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("another unit than is measured", {"unit": "token"}, "price.unit"),
    ("no unit", {}, "price.unit"),
    ("more than an account holds", {"unit": "character", "per_unit": "9000000000000"}, "price"),
    ("a time that has passed", {"unit": "character", "at": "2020-01-01T00:00:00+00:00"}, "effective_at"),
]


@pytest.mark.parametrize(("members", "field"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
async def test_a_price_the_tool_cannot_have_is_refused(priced: Catalog, members: dict[str, Any], field: str) -> None:
    """Its field is named, and nothing is changed."""
    with pytest.raises(Refusal) as refused:
        await priced.set_price("1", **members)
    assert (refused.value.reason, refused.value.metadata["field"]) == ("REQUEST_INVALID", field)
    assert (await priced.kinds())[2:] == []


async def test_a_late_retry_does_not_set_an_older_price(priced: Catalog) -> None:
    """A request id acts once; with another price it is refused."""
    await priced.set_price("2", request_id="a", unit="character")
    await clear(priced)
    await priced.set_price("2", request_id="a", unit="character")
    assert in_force(priced) == (3, 500_000, "manifest")
    for base, at in (("3", ""), ("2", LATER)):
        with pytest.raises(Refusal) as refused:
            await priced.set_price(base, request_id="a", at=at, unit="character")
        assert refused.value.reason == "REQUEST_ID_REUSED"


async def test_a_tool_that_is_not_there_has_no_price(catalog: Catalog) -> None:
    """TOOL_NOT_FOUND."""
    for refused_call in (catalog.set_price("1"), clear(catalog)):
        with pytest.raises(Refusal) as refused:
            await refused_call
        assert refused.value.reason == "TOOL_NOT_FOUND"
