"""The published JSON Schema of manifests."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from services.catalog.manifests import schema
from services.catalog.manifests.loader import Loader
from tests.catalog.samples import FILE_TOOL, TEXT_TOOL, changed

PUBLISHED = Path(__file__).parents[2] / "docs" / "manifest.schema.json"
TOOLS = resources.files("services.catalog") / "tools"


@pytest.fixture(scope="module")
def validator() -> Any:
    return jsonschema_rs.Draft202012Validator(schema.definition())


def test_the_published_schema_is_current() -> None:
    """`scrip tools schema > docs/manifest.schema.json` makes it anew."""
    assert PUBLISHED.read_text(encoding="utf-8") == schema.text()


def test_every_shipped_manifest_fits_it(validator: Any) -> None:
    """What an editor complains of is wrong."""
    for file in TOOLS.iterdir():
        manifest = yaml.load(file.read_text(encoding="utf-8"), Loader)
        assert [f"{file.name}: {error}" for error in validator.iter_errors(manifest)] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"colour": "red"},
        {"category": None},
        {"slug": "Count Words"},
        {"price__base": 2},
        {"price__base": "0.0000001"},
        {"price__unit": "parsec"},
        {"price__charging": {"failed": "half"}},
        {"limits__timeout_ms": 0},
        {"run__kind": "shell"},
        {"run__handler": "../x"},
        {"measure__from": "nowhere"},
        {"examples": []},
        {"deprecated": {"successor": "A"}},
        {"documentation": "x" * 20_001},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_an_editor_finds_common_mistakes(validator: Any, changes: dict[str, Any]) -> None:
    """One row for each."""
    assert validator.is_valid(yaml.safe_load(TEXT_TOOL))
    assert not validator.is_valid(yaml.safe_load(changed(**changes)))


def test_members_say_what_they_are_for(validator: Any) -> None:
    """Editors show it; names that pydantic makes up are not told."""
    assert validator.is_valid(yaml.safe_load(FILE_TOOL))
    found = schema.definition()["properties"]
    assert found["documentation"]["description"].startswith("Markdown")
    assert '"title": "Slug"' not in json.dumps(found)
