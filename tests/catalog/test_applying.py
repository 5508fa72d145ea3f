"""Applying manifests: what changes is told and makes a version, what is the same changes nothing."""

import asyncio
from dataclasses import asdict
from typing import Any

import pytest

from services.catalog import applying, plans, prices
from services.catalog.differences import Difference
from services.catalog.manifests.price import PricePart
from services.runtime.errors import Refusal
from tests.catalog.conftest import Catalog
from tests.catalog.samples import TEXT_TOOL, manifest

SLUG = "count-words"


@pytest.fixture
async def ready(catalog: Catalog) -> Catalog:
    """A catalog with the categories of the samples."""
    await catalog.categories("text", "images")
    return catalog


async def test_a_manifest_makes_a_tool_once(ready: Catalog) -> None:
    """Created, then unchanged: the second time nothing happens."""
    first, second = await ready.apply(manifest()), await ready.apply(manifest())
    assert (first.outcome, first.version, first.price_version, first.origin) == ("created", 1, 1, "manifest")
    assert [one.path for one in first.changes][:3] == ["slug", "name", "description"]
    assert (second.outcome, second.version, second.changes) == ("unchanged", 1, [])
    assert await ready.kinds() == [f"{SLUG} v1", f"{SLUG} price 1"]


ROWS: list[tuple[str, dict[str, Any], tuple[int, int], list[tuple[str, str, str]]]] = [
    ("content", {"limits__timeout_ms": 5}, (2, 1), [("limits.timeout_ms", "1000", "5")]),
    ("price", {"price__base": "0.6"}, (1, 2), [("price.base", '"0.5"', '"0.6"')]),
    (
        "both",
        {"tags": ["new"], "price__charging": {"failed": "base"}},
        (2, 2),
        [("tags", "", '["new"]'), ("price.charging", "", '{"failed": "base"}')],
    ),
    ("a price written differently", {"name": "Count", "price__base": "0.50"}, (2, 1), [
        ("name", '"Count words"', '"Count"'),
    ]),
    ("a member less", {"examples": [{"text": "one"}], "input_schema__required": []}, (2, 1), [
        ("input_schema.required.0", '"text"', ""), ("examples.0.text", '"one two"', '"one"'),
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "versions", "told"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
async def test_what_changes_is_told_member_by_member(
    ready: Catalog, changed: dict[str, Any], versions: tuple[int, int], told: list[tuple[str, str, str]]
) -> None:
    """With its path, what it was and what it is; content and price have versions of their own."""
    await ready.apply(manifest())
    applied = await ready.apply(manifest(**changed))
    assert (applied.outcome, applied.version, applied.price_version) == ("changed", *versions)
    assert applied.changes == [Difference(*one) for one in told]


async def test_a_dry_run_tells_the_same_and_changes_nothing(ready: Catalog) -> None:
    """Of a new tool and of one that is there."""
    assert (await applying.dry_run(ready.pool, manifest())).outcome == "created"
    assert await ready.kinds() == []
    await ready.apply(manifest())
    told = await applying.dry_run(ready.pool, manifest(name="Count"))
    assert await applying.dry_run(ready.pool, manifest()) == await ready.apply(manifest())
    assert told == await ready.apply(manifest(name="Count"))


async def test_a_late_retry_does_not_bring_an_older_manifest_back(ready: Catalog) -> None:
    """A request id acts once, and is answered as it was the first time."""
    first = await ready.apply(manifest(), "a")
    await ready.apply(manifest(name="Count"), "b")
    again, replayed = await applying.apply(ready.pool, ready.log, manifest(), "a")
    assert (asdict(again), replayed) == (asdict(first), True)
    assert ready.snapshot.latest().tools[SLUG].current.content.name == "Count"
    with pytest.raises(Refusal) as refused:
        await ready.apply(manifest(name="Other"), "a")
    assert refused.value.reason == "REQUEST_ID_REUSED"


async def test_a_category_that_is_not_there_is_refused(catalog: Catalog) -> None:
    """And nothing is changed."""
    with pytest.raises(Refusal) as refused:
        await catalog.apply(manifest())
    assert refused.value.reason == "MANIFEST_INVALID"
    assert refused.value.violations[0].field == "category"
    assert await catalog.kinds() == []


async def test_switch_and_operators_price_survive(ready: Catalog) -> None:
    """The manifest's price is remembered for later, and that it changed is told."""
    await ready.apply(manifest())
    await ready.switch(SLUG, False, "off")
    await ready.set_price("2", unit="character")
    applied = await ready.apply(manifest(name="Count", price__base="0.6"))
    assert (applied.version, applied.price_version, applied.origin) == (2, 2, "operator")
    assert Difference("price.base", '"0.5"', '"0.6"') in applied.changes
    tool = ready.snapshot.latest().tools[SLUG]
    assert (tool.enabled, tool.price.tariff.base, tool.origin) == (False, 2_000_000, "operator")
    assert (await ready.kinds())[-2:] == [f"{SLUG} v2", f"{SLUG} manifest price"]
    await prices.clear_price(ready.pool, ready.log, SLUG, "clear")
    await ready.snapshot.refresh()
    tool = ready.snapshot.latest().tools[SLUG]
    assert (tool.price.tariff.base, tool.price_version, tool.origin) == (600_000, 3, "manifest")


async def test_an_operators_price_that_no_longer_fits_is_dropped(ready: Catalog) -> None:
    """A price for each character cannot be charged where calls are counted: the manifest's comes into force."""
    await ready.apply(manifest())
    await ready.set_price("2", per_unit="1", unit="character")
    await ready.set_price("3", per_unit="1", unit="character", at="2031-01-01T00:00:00+00:00")
    applied = await ready.apply(manifest(price__unit="request", measure={"from": "call"}))
    assert (applied.origin, applied.price_version) == ("manifest", 3)
    assert {"operator_price", "scheduled_price"} <= {one.path for one in applied.changes}
    tool = ready.snapshot.latest().tools[SLUG]
    assert (tool.price.sole_unit, tool.scheduled) == ("request", None)
    assert (await ready.kinds())[-3:] == [f"{SLUG} v2", f"{SLUG} price 3", f"{SLUG} price unscheduled"]


async def test_what_an_operator_applied_survives_a_restart(ready: Catalog) -> None:
    """A release that ships another manifest than the one before decides again."""
    await ready.ship(manifest())
    await ready.apply(manifest(name="Mine"))
    assert await ready.ship(manifest()) == []
    assert ready.snapshot.latest().tools[SLUG].current.content.name == "Mine"
    assert await ready.ship(manifest(name="Newer")) == [SLUG]
    assert ready.snapshot.latest().tools[SLUG].current.content.name == "Newer"


async def test_concurrent_applies_come_one_after_the_other(ready: Catalog, other: Catalog) -> None:
    """From two replicas at once: the versions have no gap, and equal ones are made once."""
    names = [f"Name {number % 5}" for number in range(20)]
    applied = await asyncio.gather(
        *((ready, other)[number % 2].apply(manifest(name=name)) for number, name in enumerate(names))
    )
    made = sorted(one.version for one in applied if one.outcome != "unchanged")
    assert made == list(range(1, len(made) + 1))
    assert [kind for kind in await ready.kinds() if "price" not in kind] == [f"{SLUG} v{number}" for number in made]


async def test_a_new_version_that_runs_the_same_way_is_available_at_once(ready: Catalog) -> None:
    """Executors that can run the version before can run it; one that runs otherwise waits for their word."""
    await ready.apply(manifest())
    await ready.report(SLUG)
    await ready.apply(manifest(name="Count"))
    await ready.apply(manifest(name="Words"))
    await ready.snapshot.refresh()
    view = ready.snapshot.latest()
    assert view.unavailable_reason(view.tools[SLUG].current) == "NO_EXECUTOR"
    await ready.report(SLUG, version=3)
    await ready.apply(manifest(name="Count"))
    view = ready.snapshot.latest()
    assert view.unavailable_reason(view.tools[SLUG].current) == ""
    await ready.apply(manifest(run__handler="count_better"))
    view = ready.snapshot.latest()
    assert view.unavailable_reason(view.tools[SLUG].current) == "NO_EXECUTOR"


async def test_a_large_change_is_told_in_part(ready: Catalog) -> None:
    """The first five hundred members that differ, each shortened, and how many more there are."""
    one, other = ({"enum": [f"{prefix}{number}" for number in range(600)]} for prefix in ("a", "b"))
    await ready.apply(manifest(input_schema__properties__mode=one))
    applied = await ready.apply(manifest(input_schema__properties__mode=other))
    assert (len(applied.changes), applied.changes_left_off) == (500, 100)
    applied = await ready.apply(manifest(input_schema__properties__mode=other, description="x" * 300))
    assert [len(change.after) for change in applied.changes] == [200]


def test_prices_are_stored_whole() -> None:
    """A default that changes later must not change what an operator set."""
    assert plans.form_of(PricePart(base="2")) == {
        "base": "2",
        "per_unit": "0",
        "per": 1,
        "tiers": [],
        "rates": {},
        "unit": "",
        "cached": "0",
        "minimum": "0",
        "variants": [],
        "charging": {
            "succeeded": "measured",
            "failed": "nothing",
            "refused": "nothing",
            "timed_out": "nothing",
            "canceled": "nothing",
            "unknown": "nothing",
        },
    }
    assert "charging" not in TEXT_TOOL
