"""Schemas in manifests: one that is none is told as that alone, and none may lead to more than can be held."""

from importlib import resources
from typing import Any

import pytest

from services.catalog.manifests import files as manifest_files
from services.catalog.manifests.manifest import ManifestError
from services.catalog.schemas import Schema, SchemaError
from tests.catalog.samples import TEXT_TOOL, changed

DEEPL = (resources.files("services.catalog") / "tools" / "translate-deepl.yaml").read_text(encoding="utf-8")


def told(text: str) -> list[tuple[str, str]]:
    """Path and text of each mistake."""
    with pytest.raises(ManifestError) as refused:
        manifest_files.parse(text)
    return [(problem.path, problem.what) for problem in refused.value.problems]


@pytest.mark.parametrize("text", [TEXT_TOOL, DEEPL], ids=["handler", "provider"])
@pytest.mark.parametrize(
    ("changes", "where", "what"),
    [
        ({"input_schema": {"type": "object", "properties": 5}}, "input_schema.properties", '5 is not of type "object"'),
        ({"input_schema": {"properties": ["text"]}}, "input_schema.properties", '["text"] is not of type "object"'),
        ({"input_schema__required": "text"}, "input_schema.required", '"text" is not of type "array"'),
        ({"output_schema": {"required": 5}}, "output_schema.required", '5 is not of type "array"'),
        ({"output_schema": {"required": "documents"}}, "output_schema.required", '"documents" is not of type "array"'),
        ({"output_schema": {"properties": 5}}, "output_schema.properties", '5 is not of type "object"'),
    ],
)
def test_of_what_is_no_schema_that_alone_is_told(text: str, changes: dict[str, Any], where: str, what: str) -> None:
    """What reads it would find mistakes that are none."""
    assert told(changed(text, **changes)) == [(where, what)]


def test_the_line_is_the_one_where_the_schema_is_wrong() -> None:
    """Not the one where it begins."""
    with pytest.raises(ManifestError) as refused:
        manifest_files.parse(TEXT_TOOL.replace("    text: {type", "    text: {minimum: low, type"))
    assert [problem.line for problem in refused.value.problems] == [24]


def doubling(levels: int) -> dict[str, Any]:
    """Each definition refers twice to the next one."""
    definitions = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(levels)}
    return {"$defs": definitions | {f"a{levels}": {"type": "string"}}, "items": {"$ref": "#/$defs/a0"}}


REFUSED = [
    ("doubling", doubling(30), "more than 10000 schemas"),
    ("back to the root", {"items": {"$ref": "#"}}, "leads back to itself"),
    ("back by another", {"$defs": {"a": {"not": {"$ref": "#/$defs/b"}}, "b": {"$ref": "#/$defs/a"}},
                         "$ref": "#/$defs/b"}, "leads back to itself"),
    ("a chain without end", {"$defs": {f"a{n}": {"$ref": f"#/$defs/a{n + 1}"} for n in range(5_000)} | {"a5000": {}},
                             "$ref": "#/$defs/a0"}, "nested too deeply"),
    ("by an anchor", {"$defs": {"a": {"$anchor": "a"}}, "$ref": "#a"}, "begin with #/"),
    ("by a dynamic reference", {"$dynamicRef": "#"}, "not taken"),
    ("from another base", {"$defs": {"a": {"$id": "https://example.com/a", "not": {"$ref": "#"}}},
                           "$ref": "#/$defs/a/not"}, "not taken"),
]  # fmt: skip


@pytest.mark.parametrize(("definition", "says"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_references_lead_to_no_more_than_can_be_held(definition: dict[str, Any], says: str) -> None:
    """It is found when the schema is read, before there is a value to hold it against."""
    with pytest.raises(SchemaError, match=says):
        Schema(definition)


@pytest.mark.parametrize(
    "definition",
    [
        doubling(10),
        {"$defs": {"x/y z": {"type": "string"}}, "items": {"$ref": "#/$defs/x~1y%20z"}},
        {"prefixItems": [{"type": "string"}], "items": {"$ref": "#/prefixItems/0"}},
        {"properties": {"$ref": {"type": "string"}, "$id": {"type": "string"}}, "items": {"type": "string"}},
        {"$defs": {"unused": {"$ref": "#/$defs/unused"}}, "items": {"type": "string"}},
    ],
)
def test_other_references_are_followed(definition: dict[str, Any]) -> None:
    """As often as need be; members of those names are none."""
    assert [found.keyword for found in Schema(definition).violations([1])][:1] == ["type"]
