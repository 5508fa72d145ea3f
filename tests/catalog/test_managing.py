"""Managing tools through the gRPC door, as a real process on a real database."""

from datetime import timedelta
from typing import Any

import pytest
from scrip.catalog.v1 import catalog_pb2, events_pb2

from services.runtime import clock, ids
from services.runtime.errors import Refusal
from tests.catalog.samples import TEXT_TOOL
from tests.catalog.test_door import Door, door, read  # noqa: F401 (fixture)
from tests.harness.waiting import eventually


async def ask(door: Door, request: Any) -> Any:  # noqa: F811
    """Calls the method of a request, with an id of its own where it needs one."""
    if "request_id" in request.DESCRIPTOR.fields_by_name and not request.request_id:
        request.request_id = ids.uuid7()
    return await door.peer.call(getattr(door.stub, type(request).__name__.removesuffix("Request")), request)


async def test_a_manifest_is_applied_and_executable_as_its_versions_tell(door: Door) -> None:  # noqa: F811
    """Created, listed, changed, with its documentation and its successor; the same again is told to be a replay."""
    created = await ask(door, catalog_pb2.ApplyToolRequest(manifest=TEXT_TOOL.encode(), request_id="a"))
    assert (created.slug, created.outcome, created.version) == ("count-words", catalog_pb2.APPLY_OUTCOME_CREATED, 1)
    again = await ask(door, catalog_pb2.ApplyToolRequest(manifest=TEXT_TOOL.encode(), request_id="a"))
    assert (again.replayed, again.outcome) == (True, catalog_pb2.APPLY_OUTCOME_CREATED)
    text = TEXT_TOOL + "documentation: '# Words'\ndeprecated: {successor: echo, note: Too simple.}\n"
    dry = await ask(door, catalog_pb2.ApplyToolRequest(manifest=text.encode(), dry_run=True))
    assert ([one.path for one in dry.changes], dry.version) == (["documentation", "deprecated"], 2)
    assert (await door.get("count-words")).version == 1
    await ask(door, catalog_pb2.ApplyToolRequest(manifest=text.encode()))
    tool = await door.get("count-words")
    assert (tool.documentation, tool.deprecation.successor, tool.deprecation.note) == ("# Words", "echo", "Too simple.")
    assert not (await door.get("count-words", 1)).HasField("deprecation")
    listed = await ask(door, catalog_pb2.ListToolsRequest(query="count words text", category="text"))
    assert ("count-words", "") in [(one.slug, one.documentation) for one in listed.tools]
    page = await ask(door, catalog_pb2.ListToolVersionsRequest(slug="count-words", page_size=1))
    rest = await ask(
        door, catalog_pb2.ListToolVersionsRequest(slug="count-words", page_size=1, page_token=page.next_page_token)
    )
    assert [one.version for one in (*page.versions, *rest.versions)] == [2, 1]
    assert (rest.next_page_token, len(rest.versions[0].digest)) == ("", 64)
    with pytest.raises(Refusal, match="TOOL_NOT_FOUND"):
        await ask(door, catalog_pb2.ListToolVersionsRequest(slug="nope"))


async def test_a_manifest_with_mistakes_is_refused_whole(door: Door) -> None:  # noqa: F811
    """Each mistake with its line and path, the category's as well; a dry run finds the same."""
    text = TEXT_TOOL.replace("category: text", "category: nowhere").replace("text: one two", "text: ''")
    for dry_run in (False, True):
        with pytest.raises(Refusal) as refused:
            await ask(door, catalog_pb2.ApplyToolRequest(manifest=text.encode(), dry_run=dry_run))
        assert (refused.value.reason, refused.value.code.name) == ("MANIFEST_INVALID", "INVALID_ARGUMENT")
        assert refused.value.metadata["problems"] == "2"
        found = [(one.field, one.message.partition(":")[0]) for one in refused.value.violations]
        assert found == [("category", "line 4"), ("examples.0/text", "line 29")]
    with pytest.raises(Refusal, match="TOOL_NOT_FOUND"):
        await door.get("count-words")


async def test_a_price_is_set_scheduled_and_cleared(door: Door) -> None:  # noqa: F811
    """Quotes are at the price in force; the one ahead is shown, and takes effect in the running process."""
    price = b'{"base": "2", "unit": "second"}'
    tool = (await ask(door, catalog_pb2.SetPriceRequest(slug="echo", price_json=price, request_id="p"))).tool
    assert (tool.price.base_micros, tool.price_version) == (2_000_000, 2)
    assert tool.price_origin == events_pb2.PRICE_ORIGIN_OPERATOR
    assert (await ask(door, catalog_pb2.SetPriceRequest(slug="echo", price_json=price, request_id="p"))).replayed
    quote = await door.quote()
    assert (quote.amount_micros, quote.price_version) == (2_000_000, 2)
    later = catalog_pb2.SetPriceRequest(slug="echo", price_json=b'{"base": "3", "unit": "second"}')
    later.effective_at.FromDatetime(clock.now() + timedelta(seconds=1))
    tool = (await ask(door, later)).tool
    assert (tool.price.base_micros, tool.scheduled_price.price.base_micros) == (2_000_000, 3_000_000)

    async def costs_more() -> bool:
        return (await door.quote()).amount_micros == 3_000_000

    await eventually(costs_more, 15)
    assert await door.quote(quote_id=quote.quote_id) == quote
    tool = (await ask(door, catalog_pb2.ClearPriceRequest(slug="echo"))).tool
    assert (tool.price.base_micros, tool.price_version) == (10_000, 4)
    kinds = [event.kind for row in await read(door) for event in row.batch.events if event.tool == "echo"]
    assert kinds[2:] == [
        events_pb2.EVENT_KIND_PRICE_CHANGED,
        events_pb2.EVENT_KIND_PRICE_SCHEDULED,
        events_pb2.EVENT_KIND_PRICE_CHANGED,
        events_pb2.EVENT_KIND_PRICE_CHANGED,
    ]


async def test_categories_are_counted_and_managed(door: Door) -> None:  # noqa: F811
    """In their order, in pages, with how many of their tools are switched on."""
    first = await ask(door, catalog_pb2.ListCategoriesRequest(page_size=2))
    second = await ask(door, catalog_pb2.ListCategoriesRequest(page_size=200, page_token=first.next_page_token))
    found = [*first.categories, *second.categories]
    assert [one.slug for one in found][:2] == ["text", "language"]
    before = {one.slug: one.enabled_tools for one in found}
    await ask(door, catalog_pb2.DisableToolRequest(slug="echo"))
    after = {one.slug: one.enabled_tools for one in (await ask(door, catalog_pb2.ListCategoriesRequest())).categories}
    assert after == before | {"diagnostics": before["diagnostics"] - 1}
    legal = catalog_pb2.Category(slug="legal", name="Legal", sort_order=150)
    made = await ask(door, catalog_pb2.ApplyCategoryRequest(category=legal))
    assert (made.outcome, made.category.enabled_tools) == (catalog_pb2.APPLY_OUTCOME_CREATED, 0)
    slugs = [one.slug for one in (await ask(door, catalog_pb2.ListCategoriesRequest())).categories]
    assert slugs.index("legal") == 1
    with pytest.raises(Refusal, match="CATEGORY_IN_USE"):
        await ask(door, catalog_pb2.DeleteCategoryRequest(slug="text"))
    await ask(door, catalog_pb2.DeleteCategoryRequest(slug="legal"))
    with pytest.raises(Refusal, match="CATEGORY_NOT_FOUND"):
        await ask(door, catalog_pb2.DeleteCategoryRequest(slug="legal"))
