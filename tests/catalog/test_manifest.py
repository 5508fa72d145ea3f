"""Manifests: the shipped ones are good, and a bad one is told everything at once."""

from pathlib import Path
from typing import Any

import pytest

from services.catalog import manifest_files
from services.catalog.manifest import ManifestError
from tests.catalog.samples import FILE_TOOL, TEXT_TOOL, changed, manifest


def test_the_shipped_manifests_are_good() -> None:
    """The tools that come with the product, each with examples that its own schema takes."""
    assert [one.slug for one in manifest_files.shipped()] == ["barcode-read", "detect-language", "echo", "pdf-to-text"]


def problems(text: str) -> list[tuple[str, str]]:
    with pytest.raises(ManifestError) as refused:
        manifest_files.parse(text)
    return refused.value.problems


ROWS: list[tuple[str, dict[str, Any], str, str]] = [
    ("unknown member", {"colour": "red"}, "colour", "Extra inputs"),
    ("missing member", {"category": None}, "category", "required"),
    ("slug with a blank", {"slug": "count words"}, "slug", "lower-case"),
    ("price as a number", {"price__base": 2}, "price.base", "string"),
    ("price with seven places", {"price__base": "0.0000001"}, "price.base", "places"),
    ("negative price", {"price__per_unit": "-1"}, "price.per_unit", "credits"),
    ("unknown unit", {"price__unit": "parsec"}, "price.unit", "character"),
    ("unknown charge", {"price__charging": {"failed": "half"}}, "price.charging.failed", "nothing"),
    ("no time", {"limits__timeout_ms": 0}, "limits.timeout_ms", "greater"),
    ("unknown way to run", {"run__kind": "shell"}, "run.kind", "python"),
    ("handler elsewhere", {"run__handler": "../x"}, "run.handler", "pattern"),
    ("schema of no object", {"input_schema__type": "array"}, "input_schema.type", "object"),
    ("schema with a mistake", {"input_schema__properties__text": {"type": "txt"}}, "input_schema", "txt"),
    ("remote reference", {"output_schema": {"$ref": "https://example.com"}}, "output_schema", "disabled"),
    ("unit without measure", {"measure": None}, "measure", "measured"),
    ("measure without unit", {"price__unit": None}, "price.unit", "name what is measured"),
    ("measured text that is none", {"measure__pointer": "/mode"}, "measure.pointer", "no property mode"),
    ("unit of something else", {"price__unit": "token"}, "price.unit", "must be character"),
    ("output without bound", {"measure": {"from": "output", "pointer": "/n"}}, "limits.units", "bound"),
    ("beyond what an account holds", {"price__per_unit": "9000000000000"}, "price", "more than any account"),
    ("example its schema refuses", {"examples": [{"text": ""}]}, "examples.0/text", "shorter"),
    ("no example", {"examples": []}, "examples", "at least 1"),
]


@pytest.mark.parametrize(("changes", "where", "what"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_mistake_is_told_with_its_path(changes: dict[str, Any], where: str, what: str) -> None:
    """One row for each kind."""
    found = dict(problems(changed(**changes)))
    assert where in found
    assert what in found[where]


FILE_ROWS: list[tuple[str, dict[str, Any], str, str]] = [
    ("example is no URL", {"examples": [{"image": "x.png"}]}, "examples.0.image", "data: URL"),
    ("example is no base64", {"examples": [{"image": "data:image/png;base64,*"}]}, "examples.0.image", "base64"),
    ("example of another type", {"examples": [{"image": "data:text/plain;base64,AA=="}]},
     "examples.0.image", "image/*"),
    ("file further in", {"input_schema__properties__x": {"items": {"format": "scrip-file"}}},
     "input_schema.properties.x.items", "property of the input itself"),
    ("file that is no text", {"input_schema__properties__mask": {"format": "scrip-file"}},
     "input_schema.properties.mask", "type: string"),
    ("no media type", {"input_schema__properties__image__contentMediaType": "png"},
     "input_schema.properties.image.contentMediaType", "media type"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "where", "what"), [row[1:] for row in FILE_ROWS], ids=[row[0] for row in FILE_ROWS]
)
def test_a_mistake_about_files_is_told_with_its_path(changes: dict[str, Any], where: str, what: str) -> None:
    """Files stand at the top of the input, and examples bring theirs along."""
    found = dict(problems(changed(FILE_TOOL, **changes)))
    assert where in found
    assert what in found[where]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("name: twice\n", "given twice"),
        ("1: x\n", "not a text"),
        ("x: .nan\n", "not a number"),
        ("x: 9007199254740992\n", "beyond"),
        ("x: !!python/object:os.system {}\n", "could not determine a constructor"),
        ("x: [\n", "while parsing"),
        ("x: 2026-11-23\n", "Extra inputs"),
    ],
)
def test_yaml_says_only_what_json_can(line: str, what: str) -> None:
    """Nothing twice, no objects, no numbers that are none; a date is just a text."""
    assert any(what in text for _, text in problems(TEXT_TOOL + line))


def test_yes_and_dates_are_texts() -> None:
    """YAML 1.1 would make a boolean and a date of them, which is never what an author meant."""
    one = manifest_files.parse(TEXT_TOOL.replace("one two", "yes").replace("category: text", "category: no"))
    assert (one.examples, one.category) == ([{"text": "yes"}], "no")


def test_every_mistake_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    """By file and path; other files do not count."""
    (tmp_path / "a.yaml").write_text(changed(price__base="x", run__handler="-"))
    (tmp_path / "b.yaml").write_text("[]")
    (tmp_path / "c.yaml").write_text(TEXT_TOOL)
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(ManifestError) as refused:
        manifest_files.load(tmp_path)
    places = sorted(where for where, _ in refused.value.problems)
    assert places == ["a.yaml: price.base", "a.yaml: run.handler", "b.yaml", "c.yaml: slug"]
    assert "c.yaml: slug: the file must be named count-words.yaml" in str(refused.value)


def test_what_an_author_left_out_is_not_written_down() -> None:
    """So a default that a later program adds is no new version of an old tool."""
    written = manifest().written()
    assert "tags" not in written
    assert "charging" not in written["price"]
    assert written["measure"] == {"from": "input_characters", "pointer": "/text"}
