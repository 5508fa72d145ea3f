"""Which tools a list shows."""

from typing import Any

import pytest
from scrip.catalog.v1 import catalog_pb2

from services.catalog import search
from services.runtime.errors import Refusal
from tests.catalog.conftest import Catalog
from tests.catalog.samples import FILE_TOOL, manifest

ROWS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["count-words", "shrink", "translate"]),
    ({"category": "text"}, ["count-words", "translate"]),
    ({"category": "nope"}, []),
    ({"tag": "fast"}, ["translate"]),
    ({"tag": "fas"}, []),
    ({"provider": "acme"}, ["translate"]),
    ({"enabled": True}, ["count-words", "translate"]),
    ({"enabled": False}, ["shrink"]),
    ({"query": "COUNT"}, ["count-words"]),
    ({"query": "text  words"}, ["count-words", "translate"]),
    ({"query": "übersetzt FAST"}, ["translate"]),
    ({"query": "picture smaller nothing"}, []),
    ({"query": " "}, ["count-words", "shrink", "translate"]),
    ({"query": "words", "provider": "acme", "category": "text", "tag": "fast", "enabled": True}, ["translate"]),
]


@pytest.mark.parametrize(("wanted", "found"), ROWS, ids=[str(row[0]) for row in ROWS])
async def test_filters_all_count(catalog: Catalog, wanted: dict[str, Any], found: list[str]) -> None:
    """Words are looked for in slug, name, description and tags, in whatever case, all of them."""
    translate = {"name": "Übersetzt", "tags": ["fast"], "provider": "acme", "description": "Text words."}
    await catalog.ship(manifest(), manifest(FILE_TOOL), manifest(slug="translate", **translate))
    await catalog.switch("shrink", False, "off")
    await catalog.snapshot.refresh()
    tools = catalog.snapshot.latest().tools.values()
    assert search.slugs(tools, catalog_pb2.ListToolsRequest(**wanted)) == found


@pytest.mark.parametrize(
    ("wanted", "field"),
    [({"query": "x" * 201}, "query"), ({"tag": "x" * 64}, "tag"), ({"provider": "x" * 64}, "provider")],
)
def test_what_is_too_long_is_refused(wanted: dict[str, Any], field: str) -> None:
    """With the limit and the length."""
    with pytest.raises(Refusal, match="at most") as refused:
        search.slugs([], catalog_pb2.ListToolsRequest(**wanted))
    assert refused.value.metadata["field"] == field
