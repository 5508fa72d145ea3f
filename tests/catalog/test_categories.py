"""Categories: shipped, managed, and kept while tools are in them."""

import pytest
from scrip.catalog.v1 import events_pb2

from services.catalog import applying, categories, category_changes
from services.catalog.categories import Category
from services.runtime import ids
from services.runtime.errors import Refusal
from tests.catalog.conftest import Catalog
from tests.catalog.samples import FILE_TOOL, manifest

TEXT = Category(slug="text", name="Text", sort_order=10)
IMAGES = Category(slug="images", name="Images", sort_order=5)


async def ship(catalog: Catalog, *shipped: Category, tools: bool = False) -> None:
    await applying.ship(catalog.pool, catalog.log, shipped, [manifest()] if tools else [])
    await catalog.snapshot.refresh()


async def apply(catalog: Catalog, category: Category, request_id: str = "") -> tuple[str, bool]:
    done = await category_changes.apply(catalog.pool, catalog.log, category, request_id or ids.uuid7())
    await catalog.snapshot.refresh()
    return done


async def delete(catalog: Catalog, slug: str, request_id: str = "") -> bool:
    done = await category_changes.delete(catalog.pool, catalog.log, slug, request_id or ids.uuid7())
    await catalog.snapshot.refresh()
    return done


def seen(catalog: Catalog) -> list[str]:
    return [category.slug for category in catalog.snapshot.latest().categories]


async def kinds(catalog: Catalog) -> list[tuple[str, int]]:
    return [(event.category, event.kind) for event in await catalog.events() if not event.tool]


def test_the_shipped_categories_are_good() -> None:
    """Each once, in the order they are shown in."""
    shipped = categories.shipped()
    assert len({category.slug for category in shipped}) == len(shipped) >= 10
    assert [category.sort_order for category in shipped] == sorted(category.sort_order for category in shipped)
    assert all(category.icon and category.description for category in shipped)


async def test_shipped_categories_come_in_once(catalog: Catalog) -> None:
    """In their order; a restart changes nothing."""
    await ship(catalog, TEXT, IMAGES)
    await ship(catalog, TEXT, IMAGES)
    assert seen(catalog) == ["images", "text"]
    changed = events_pb2.EVENT_KIND_CATEGORY_CHANGED
    assert await kinds(catalog) == [("text", changed), ("images", changed)]


async def test_what_operators_changed_survives_a_restart(catalog: Catalog) -> None:
    """A name, and a category that was deleted; what a later release ships differently comes in."""
    await ship(catalog, TEXT, IMAGES)
    await apply(catalog, TEXT.model_copy(update={"name": "Words"}))
    await delete(catalog, "images")
    await ship(catalog, TEXT, IMAGES)
    assert [one.name for one in catalog.snapshot.latest().categories] == ["Words"]
    await ship(catalog, TEXT, IMAGES.model_copy(update={"name": "Pictures"}))
    assert [one.name for one in catalog.snapshot.latest().categories] == ["Pictures", "Words"]


async def test_a_deleted_category_comes_back_with_a_shipped_tool(catalog: Catalog) -> None:
    """No tool is in a category that is not there."""
    await ship(catalog, TEXT)
    await delete(catalog, "text")
    await ship(catalog, TEXT, tools=True)
    assert seen(catalog) == ["text"]


async def test_a_category_is_made_changed_and_left_alone(catalog: Catalog) -> None:
    """What became of it is answered, to a retry as well, and each change is an event."""
    assert await apply(catalog, TEXT, "a") == ("created", False)
    assert await apply(catalog, TEXT) == ("unchanged", False)
    assert await apply(catalog, TEXT.model_copy(update={"icon": "type"})) == ("changed", False)
    assert await apply(catalog, TEXT, "a") == ("created", True)
    assert catalog.snapshot.latest().categories[0].icon == "type"
    assert len(await kinds(catalog)) == 2


async def test_a_category_with_tools_stays(catalog: Catalog) -> None:
    """Until their newest versions are in another one; the tools are named."""
    await catalog.categories("text", "images")
    await catalog.apply(manifest())
    await catalog.apply(manifest(FILE_TOOL))
    with pytest.raises(Refusal) as refused:
        await delete(catalog, "text")
    assert (refused.value.reason, refused.value.metadata) == ("CATEGORY_IN_USE", {"category": "text", "tools": "1"})
    assert "count-words" in refused.value.message
    await catalog.apply(manifest(category="images"))
    assert await delete(catalog, "text", "d") is False
    assert await delete(catalog, "text", "d") is True
    assert seen(catalog) == ["images"]
    assert (await kinds(catalog))[-1] == ("text", events_pb2.EVENT_KIND_CATEGORY_DELETED)


async def test_a_category_that_is_not_there_cannot_be_deleted(catalog: Catalog) -> None:
    """Nor one that was deleted."""
    await catalog.categories("text")
    await delete(catalog, "text")
    for slug in ("text", "nope"):
        with pytest.raises(Refusal) as refused:
            await delete(catalog, slug)
        assert refused.value.reason == "CATEGORY_NOT_FOUND"
