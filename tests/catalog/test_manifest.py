"""Manifests: the shipped ones are good, and a bad one is told everything at once."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.catalog import categories
from services.catalog.manifests import files as manifest_files
from services.catalog.manifests.manifest import ManifestError
from tests.catalog.samples import FILE_TOOL, TEXT_TOOL, changed, manifest


def test_the_shipped_manifests_are_good() -> None:
    """All tools that come with the product load, each from a file of its name, in a category that comes along."""
    shipped = manifest_files.shipped()
    folder = resources.files("services.catalog") / "tools"
    assert [one.slug for one in shipped] == sorted(file.name.removesuffix(".yaml") for file in folder.iterdir())
    assert len(shipped) >= 20
    assert {one.category for one in shipped} <= {one.slug for one in categories.shipped()}


def problems(text: str) -> dict[str, str]:
    """What is wrong, by path."""
    with pytest.raises(ManifestError) as refused:
        manifest_files.parse(text)
    return {problem.path: problem.what for problem in refused.value.problems}


EACH = {
    "from": "each",
    "units": {"input_token": {"from": "call"}, "output_token": {"from": "call"}},
}
RATES = {"input_token": {"per_unit": "1"}, "output_token": {"per_unit": "2", "per": 3}}

ROWS: list[tuple[str, dict[str, Any], str, str]] = [
    ("unknown member", {"colour": "red"}, "colour", "is not known"),
    ("missing member", {"category": None}, "category", "is needed"),
    ("slug with a blank", {"slug": "count words"}, "slug", "lower-case"),
    ("price as a number", {"price__base": 2}, "price.base", "in quotes"),
    ("price with seven places", {"price__base": "0.0000001"}, "price.base", "places"),
    ("negative price", {"price__per_unit": "-1"}, "price.per_unit", "credits"),
    ("unknown unit", {"price__unit": "parsec"}, "price.unit", "must be one of: character, token"),
    ("unknown charge", {"price__charging": {"failed": "half"}}, "price.charging.failed", "nothing"),
    ("no time", {"limits__timeout_ms": 0}, "limits.timeout_ms", "input should be greater"),
    ("no object", {"price": None, "limits": 5}, "limits", "must be an object"),
    ("no list", {"tags": "text"}, "tags", "must be a list"),
    ("unknown way to run", {"run__kind": "shell"}, "run.kind", "must be one of: python, http"),
    ("handler elsewhere", {"run__handler": "../x"}, "run.handler", "must match ^[a-z]"),
    ("schema of no object", {"input_schema__type": "array"}, "input_schema.type", "object"),
    ("schema with a mistake", {"input_schema__properties__text": {"type": "txt"}},
     "input_schema.properties.text.type", "txt"),
    ("remote reference", {"output_schema": {"$ref": "https://example.com"}}, "output_schema", "disabled"),
    ("unit without measure", {"measure": None}, "measure", "measured"),
    ("measure without unit", {"price__unit": None}, "price.unit", "name what is measured"),
    ("measured text that is none", {"measure__pointer": "/mode"}, "measure.pointer", "no property mode"),
    ("unit of something else", {"price__unit": "token"}, "price.unit", "must be character"),
    ("output without bound", {"measure": {"from": "output", "pointer": "/n"}}, "limits.units", "bound"),
    ("beyond what an account holds", {"price__per_unit": "9000000000000"}, "price", "more than any account"),
    ("rates without kinds to measure", {"price": {"unit": "character", "rates": {"token": {}}}},
     "price.rates", "measure.from: each"),
    ("rates beside a price", {"price": {"per_unit": "1", "rates": {"token": {}}}}, "price", "in each of rates"),
    ("kinds without rates", {"measure": EACH}, "price.rates", "must have input_token, output_token"),
    ("kinds beside one unit", {"measure": EACH}, "price.unit", "must not be there"),
    ("one kind alone", {"measure": {"from": "each", "units": {"page": {"from": "call"}}}},
     "measure.units", "at least 2"),
    ("variant without their rates", {"measure": EACH, "price": {"rates": RATES, "variants": [{"when": "input.text"}]}},
     "price.variants.0.rates", "must have input_token"),
    ("variant by what is not there", {"price__variants": [{"when": "input.model"}]},
     "price.variants.0.when", "input.model"),
    ("variant by no expression", {"price__variants": [{"when": "input.["}]}, "price.variants.0.when", "no expression"),
    ("tiers out of order", {"price__tiers": [{"above": 9, "per_unit": "1"}, {"above": 9, "per_unit": "2"}]},
     "price", "more and more"),
    ("price of what is never given again", {"price__cached": "1"}, "price.cached", "needs cache"),
    ("cache for no time", {"cache": {"seconds": 0}}, "cache.seconds", "greater"),
    ("price for no units", {"price__per": 0}, "price.per", "greater"),
    ("variant beyond what an account holds", {"price__variants": [{"when": "input.text", "per_unit": "9000000000000"}]},
     "price", "more than any account"),
    ("example its schema refuses", {"examples": [{"text": ""}]}, "examples.0/text", "shorter"),
    ("no example", {"examples": []}, "examples", "at least 1"),
    ("its own successor", {"deprecated": {"successor": "count-words"}}, "deprecated", "another tool"),
    ("a long documentation", {"documentation": "x" * 20_001}, "documentation", "20000"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "where", "what"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_mistake_is_told_with_its_path(changes: dict[str, Any], where: str, what: str) -> None:
    """One row for each kind."""
    found = problems(changed(**changes))
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
    found = problems(changed(FILE_TOOL, **changes))
    assert where in found
    assert what in found[where]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("name: twice\n", "given twice"),
        ("1: x\n", "not a text"),
        ("x: 1e999\n", "not a number"),
        ("x: 9007199254740992\n", "beyond"),
        ("x: !!python/object:os.system {}\n", "tag:yaml.org,2002:python/object:os.system is not of JSON"),
        ("x: [\n", "while parsing"),
        ("x: 2026-11-23\n", "is not known"),
    ],
)
def test_yaml_says_only_what_json_can(line: str, what: str) -> None:
    """Nothing twice, no objects, no numbers that are none; a date is just a text."""
    assert any(what in text for text in problems(TEXT_TOOL + line).values())


LINES = [
    ("a value", TEXT_TOOL.replace('base: "0.5"', "base: 1"), "price.base", 6),
    ("a missing member: what lacks it", TEXT_TOOL.replace("category: text\n", ""), "category", 1),
    ("a missing member further in", TEXT_TOOL.replace("  retry: safe\n", ""), "run.retry", 15),
    ("a member too many", TEXT_TOOL.replace("    text:", "    txt:"), "measure.pointer", 11),
    ("within an example", TEXT_TOOL.replace("text: one two", "text: ''"), "examples.0/text", 29),
    ("a name with a dot", TEXT_TOOL + "a.b: 1\n", "a.b", 30),
    ("broken YAML", TEXT_TOOL + "x: [\n", "", 31),
    ("given twice", TEXT_TOOL + "slug: twice\n", "", 30),
    ("an alias", TEXT_TOOL + "x: &x 1\ny: *x\n", "", 31),
    ("no Unicode", TEXT_TOOL.replace("Count words", '"\\ud800"'), "name", 2),
    ("a character that is none", TEXT_TOOL + "x: \0\n", "", 30),
    ("bytes that are no UTF-8", TEXT_TOOL.encode() + b"x: \xff", "", 30),
    ("too deep", "a:\n " + "[" * 5_000, "", 2),
    ("too many digits", TEXT_TOOL + f"x: {'9' * 5_000}\n", "", 30),
    ("too long", "#" * 262_145, "", 0),
]


@pytest.mark.parametrize(("text", "path", "line"), [row[1:] for row in LINES], ids=[row[0] for row in LINES])
def test_a_mistake_is_told_with_its_line(text: str | bytes, path: str, line: int) -> None:
    """Where it stands, or where what lacks it begins; 0 where it is the whole of it."""
    with pytest.raises(ManifestError) as refused:
        manifest_files.parse(text)
    assert (path, line) in [(problem.path, problem.line) for problem in refused.value.problems]


def test_of_very_many_mistakes_the_first_are_told() -> None:
    """In the order of their lines, and how many more there are."""
    with pytest.raises(ManifestError) as refused:
        manifest_files.parse(TEXT_TOOL + "".join(f"x{number}: 1\n" for number in range(1_000)))
    assert [problem.line for problem in refused.value.problems[:-1]] == list(range(30, 230))
    assert refused.value.problems[-1].what == "and 800 more mistakes"


def test_yes_and_dates_are_texts() -> None:
    """YAML 1.1 would make a boolean and a date of them, which is never what an author meant."""
    one = manifest_files.parse(TEXT_TOOL.replace("one two", "yes").replace("category: text", "category: no"))
    assert (one.examples, one.category) == ([{"text": "yes"}], "no")


@pytest.mark.parametrize("number", ["010", "0x0A", "1_0", "1:30", "+10", ".5", "1."])
def test_only_numbers_of_json_are_numbers(number: str) -> None:
    """What YAML 1.1 makes another number of than it looks like is a text, and told with its line."""
    with pytest.raises(ManifestError) as refused:
        manifest_files.parse(TEXT_TOOL.replace("timeout_ms: 1000", f"timeout_ms: {number}"))
    assert [str(problem) for problem in refused.value.problems] == ["14: limits.timeout_ms: must be a whole number"]


@pytest.mark.parametrize("number", ["1", "-1", "0", "1.5", "1e3", "-2.5E-3"])
def test_numbers_of_json_are_numbers(number: str) -> None:
    """As JSON reads them."""
    one = manifest_files.parse(TEXT_TOOL.replace("{enum: [fast, slow]}", f"{{const: {number}}}"))
    assert one.input_schema["properties"]["mode"] == {"const": json.loads(number)}


def test_every_mistake_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    """By file and path; other files do not count."""
    (tmp_path / "a.yaml").write_text(changed(price__base="x", run__handler="-"))
    (tmp_path / "b.yaml").write_text("[]")
    (tmp_path / "c.yaml").write_text(TEXT_TOOL)
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(ManifestError) as refused:
        manifest_files.load(tmp_path)
    places = sorted((problem.file, problem.line, problem.path) for problem in refused.value.problems)
    assert places == [
        ("a.yaml", 6, "price.base"),
        ("a.yaml", 17, "run.handler"),
        ("b.yaml", 1, ""),
        ("c.yaml", 1, "slug"),
    ]
    assert "c.yaml:1: slug: the file must be named count-words.yaml" in str(refused.value)


def test_what_an_author_left_out_is_not_written_down() -> None:
    """So a default that a later program adds is no new version of an old tool."""
    written = manifest().written()
    assert "tags" not in written
    assert "charging" not in written["price"]
    assert written["measure"] == {"from": "input_characters", "pointer": "/text"}


@pytest.mark.parametrize(
    ("cancel", "poll", "where", "what"),
    [
        ('{url: "https://api.example.com/${submitted.id}"}', False, "run.cancel", "needs poll"),
        ('{url: "https://api.example.com/${body.id}"}', True, "run.cancel", "looks at body"),
        ('{url: "http://api.example.com/${submitted.id}"}', True, "run.cancel.url", "https"),
    ],
)
def test_work_is_stopped_only_where_it_can_be_named(cancel: str, poll: bool, where: str, what: str) -> None:
    """It must be waited for, and what names it is the provider's first answer."""
    text = (resources.files("services.catalog") / "tools" / "flux-replicate.yaml").read_text()
    text = text.replace('{url: "${submitted.urls.cancel}"}', cancel)
    if not poll:
        before, after = text.index("  poll:"), text.index("  cancel:")
        text = text[:before] + text[after:]
    assert what in problems(text)[where]


@pytest.mark.parametrize(
    ("changes", "path", "text"),
    [
        ({"run__response__read": "json"}, "run.response.stream", "sse or ndjson"),
        ({"measure__units__second": {"from": "response", "value": "body"}}, "measure.units.second", "token"),
        ({"run__response__stream__text": "a["}, "run.response.stream.text", "no expression"),
        ({"run__response__stream__usage": {"all": "a"}}, "run.response.stream.usage", "all"),
        ({"run__response__stream": None}, "run.response.output", "here there is body"),
        ({"run__on_disconnect": "wait"}, "run.on_disconnect", "cancel"),
    ],
)
def test_what_is_passed_on_as_it_comes_can_be_read_and_counted(changes: dict[str, Any], path: str, text: str) -> None:
    """Event by event, in units that a text has."""
    chat = (resources.files("services.catalog") / "tools" / "chat-gpt.yaml").read_text(encoding="utf-8")
    found = problems(changed(chat, **changes))
    assert any(where.startswith(path) and text in f"{where} {said}" for where, said in found.items()), found


INSPECT = {
    "request": {"url": "https://api.deepl.com/v2/translate", "query": {"reference": "${job.id}"}},
    "absent": "status == `404`",
}
INSPECTED = {"run__request__json__reference": "${job.id}", "run__inspect": INSPECT}


@pytest.mark.parametrize(
    ("changes", "path", "text"),
    [
        ({"run__request__json__reference": "x"}, "run.request", "must have ${job.id}"),
        ({"run__inspect__request__query": {"all": "1"}}, "run.inspect.request", "must have ${job.id}"),
        ({"run__inspect__request__url": "http://api.deepl.com/"}, "run.inspect.request.url", "https"),
        ({"run__inspect__request__url": "${job.id}"}, "run.inspect.request.url", "https"),
        ({"run__inspect__request__method": "DELETE"}, "run.inspect.request.method", "GET"),
        ({"run__inspect__request__query": {"reference": "${job.account}"}}, "run.inspect.request", "job.account"),
        ({"run__inspect__request__headers": {"x-id": "${body.id}"}}, "run.inspect.request", "looks at body"),
        ({"run__inspect__absent": "submitted.id"}, "run.inspect", "looks at submitted"),
        ({"run__inspect__absent": "a["}, "run.inspect.absent", "no expression"),
        ({"run__retry": "safe"}, "run.inspect", "retry: unsafe"),
        ({"run__response__read": "binary"}, "run.inspect", "read: json"),
        ({"run__response__message": "job.id"}, "run.response", "looks at job"),
    ],
)
def test_work_is_inspected_only_where_it_can_be_found(changes: dict[str, Any], path: str, text: str) -> None:
    """By the job's id, which it was given; and at a host that the manifest names."""
    deepl = (resources.files("services.catalog") / "tools" / "translate-deepl.yaml").read_text(encoding="utf-8")
    inspected = changed(deepl, **INSPECTED)
    manifest_files.parse(inspected)
    found = problems(changed(inspected, **changes))
    assert any(where.startswith(path) and text in said for where, said in found.items()), found


def test_where_work_is_polled_that_tells_whether_it_is_under_way() -> None:
    """And what was uploaded for it nobody knows who finds it later."""
    run = yaml.safe_load((resources.files("services.catalog") / "tools" / "flux-replicate.yaml").read_text())
    run["run"]["request"]["headers"] = {"x-reference": "${job.id}"}
    run["run"]["inspect"] = INSPECT | {"under_way": "body.status == 'new'"}
    assert "poll" in problems(yaml.safe_dump(run))["run.inspect.under_way"]
    run["run"]["inspect"] = INSPECT
    manifest_files.parse(yaml.safe_dump(run))
    run["run"]["upload"] = {"url": "https://api.replicate.com/v1/files", "json": {}}
    run["run"]["poll"]["request"]["url"] = "https://api.replicate.com/v1/predictions/${uploaded.id}"
    assert "looks at uploaded" in problems(yaml.safe_dump(run))["run.poll.request"]
