"""The commands that manage tools, against a gateway that records what it is sent."""

import json
from pathlib import Path
from typing import Any, get_args
from urllib.parse import parse_qs, urlsplit

import pytest

from services.catalog.manifests import schema
from services.catalog.manifests.price import UnitWord
from tests.catalog.samples import FILE_TOOL, TEXT_TOOL

from .support import FakeGateway
from .test_commands import ADMIN_KEY, TOOL, call, data_dir, gateway, scrip  # noqa: F401 (fixtures)

APPLIED = {
    "slug": "count-words",
    "outcome": "changed",
    "version": 2,
    "price_version": 1,
    "price_origin": "manifest",
    "dry_run": False,
    "changes": [
        {"path": "name", "before": '"Count"', "after": '"Count words"'},
        {"path": "tags", "before": None, "after": '["text"]'},
        {"path": "icon", "before": '"x"', "after": None},
    ],
    "changes_left_off": 3,
}
PRICE = {"base": "1", "per_unit": "0.5", "unit": "page", "minimum": "0", "charging": {"succeeded": "measured"}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good manifests, and a file that is none."""
    made = tmp_path / "tools"
    made.mkdir()
    (made / "count-words.yaml").write_text(TEXT_TOOL)
    (made / "shrink.yaml").write_text(FILE_TOOL)
    (made / "notes.txt").write_text("nothing")
    return made


def test_good_manifests_pass(folder: Path) -> None:
    """Files and folders; without a server, and with nothing on stdout."""
    done = scrip("tools", "lint", folder, folder / "shrink.yaml")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "3 manifests, 0 mistakes.\n")


def test_every_mistake_is_told_by_file_line_and_path(folder: Path) -> None:
    """`file:line: path: what`, of all files; as JSON too."""
    (folder / "shrink.yaml").write_text(FILE_TOOL.replace('base: "1"', "base: 1").replace("category: images\n", ""))
    (folder / "broken.yaml").write_text("a: [\n")
    (folder / "other.yaml").write_text(TEXT_TOOL)
    done = scrip("tools", "lint", folder)
    assert done.exit_code == 1
    places = [line.partition(": ")[0].rpartition("/")[2] for line in done.stdout.splitlines()]
    assert places == ["broken.yaml:2", "other.yaml:1", "shrink.yaml:1", "shrink.yaml:4"]
    assert done.stdout.splitlines()[3] == f"{folder}/shrink.yaml:4: price.base: must be text: put it in quotes"
    problems = json.loads(scrip("tools", "lint", folder, "--json").stdout)["problems"]
    assert problems[3] == {
        "file": f"{folder}/shrink.yaml",
        "line": 4,
        "path": "price.base",
        "message": "must be text: put it in quotes",
    }


def test_the_schema_is_printed() -> None:
    """For editors, as it is published."""
    assert scrip("tools", "schema").stdout == schema.text()


def test_apply_says_what_becomes_of_each(gateway: FakeGateway, call: Any, folder: Path) -> None:  # noqa: F811
    """As kubectl does; each file is sent as it is, with an operator's key and its own id, after all were tried."""
    for _ in range(4):
        gateway.answer("POST /v1/admin/tools", 200, APPLIED)
    gateway.answer("POST /v1/admin/tools", 201, APPLIED | {"slug": "shrink", "outcome": "created", "version": 1})
    gateway.answer("POST /v1/admin/tools", 200, APPLIED | {"outcome": "unchanged", "price_origin": "operator"})
    done = call("tools", "apply", folder, folder / "count-words.yaml")
    assert (done.exit_code, done.stdout.splitlines()) == (
        0,
        [
            "count-words configured  version 2, price 1",
            "shrink created  version 1, price 1",
            "count-words unchanged  version 2, price 1, the operator's",
        ],
    )
    assert [one.body for one in gateway.sent] == [TEXT_TOOL, FILE_TOOL, TEXT_TOOL] * 2
    assert {one.headers["Authorization"] for one in gateway.sent} == {f"Bearer {ADMIN_KEY}"}
    assert len({one.headers["Idempotency-Key"] for one in gateway.sent}) == 6
    assert [one.path for one in gateway.sent] == ["/v1/admin/tools?dry_run=true"] * 3 + ["/v1/admin/tools"] * 3


def test_apply_answers_one_json_object(gateway: FakeGateway, call: Any, folder: Path) -> None:  # noqa: F811
    """With what became of each tool."""
    gateway.answer("POST /v1/admin/tools", 200, APPLIED)
    assert json.loads(call("tools", "apply", folder, "--json").stdout) == {"tools": [APPLIED, APPLIED]}


def test_a_mistake_in_one_file_applies_none(gateway: FakeGateway, call: Any, folder: Path) -> None:  # noqa: F811
    """It is found before anything is sent."""
    (folder / "shrink.yaml").write_text(FILE_TOOL.replace("category: images", "category: Images!"))
    done = call("tools", "apply", folder)
    assert (done.exit_code, done.stdout, gateway.sent) == (1, "", [])
    assert f"{folder}/shrink.yaml:4: category: " in done.stderr
    said = json.loads(call("tools", "apply", folder, "--json").stdout)
    assert (said["reason"], said["problems"][0]["line"]) == ("MANIFEST_INVALID", 4)


def test_what_the_server_finds_wrong_applies_none(gateway: FakeGateway, call: Any, folder: Path) -> None:  # noqa: F811
    """What only it can know is asked of all files first, and told with file, line and path."""
    errors = [{"pointer": "category", "keyword": "", "message": "line 4: there is no category text"}]
    gateway.problem("POST /v1/admin/tools", 422, "MANIFEST_INVALID", errors=errors)
    gateway.answer("POST /v1/admin/tools", 200, APPLIED | {"dry_run": True})
    gateway.problem("POST /v1/admin/tools", 422, "MANIFEST_INVALID", errors=[{"pointer": "", "message": "is empty"}])
    (folder / "third.yaml").write_text(TEXT_TOOL)
    done = call("tools", "apply", folder)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.splitlines()[1:3] == [
        f"  {folder}/count-words.yaml:4: category: there is no category text",
        f"  {folder}/third.yaml: is empty",
    ]
    assert [urlsplit(one.path).query for one in gateway.sent] == ["dry_run=true"] * 3
    said = json.loads(call("tools", "apply", folder / "shrink.yaml", "--json").stdout)
    file = f"{folder}/shrink.yaml"
    assert said["problems"] == [{"file": file, "line": 0, "path": "", "message": "is empty"}]


def test_what_is_refused_after_all_names_the_file(gateway: FakeGateway, call: Any, folder: Path) -> None:  # noqa: F811
    """Such as by a category that went meanwhile; what was applied before is told."""
    for _ in range(3):
        gateway.answer("POST /v1/admin/tools", 200, APPLIED)
    errors = [{"pointer": "category", "keyword": "", "message": "line 4: there is no category images"}]
    gateway.problem("POST /v1/admin/tools", 422, "MANIFEST_INVALID", errors=errors)
    done = call("tools", "apply", folder)
    assert (done.exit_code, done.stdout) == (1, "count-words configured  version 2, price 1\n")
    assert f"{folder}/shrink.yaml is refused" in done.stderr
    assert "category: line 4: there is no category images" in done.stderr


def test_diff_shows_what_would_change(gateway: FakeGateway, call: Any, folder: Path) -> None:  # noqa: F811
    """Member by member, and changes nothing; what is the same is not told."""
    gateway.answer("POST /v1/admin/tools", 200, APPLIED | {"dry_run": True})
    gateway.answer("POST /v1/admin/tools", 200, APPLIED | {"outcome": "unchanged", "dry_run": True})
    done = call("tools", "diff", folder)
    assert (done.exit_code, done.stdout.splitlines()) == (
        0,
        [
            "count-words configured  version 2, price 1 (dry run)",
            '  - name: "Count"',
            '  + name: "Count words"',
            '  + tags: ["text"]',
            '  - icon: "x"',
            "  … and 3 more",
        ],
    )
    assert [urlsplit(one.path).query for one in gateway.sent] == ["dry_run=true"] * 2
    assert call("tools", "diff", folder / "shrink.yaml", "--exit-code").exit_code == 0
    gateway.answers["POST /v1/admin/tools"] = [(200, APPLIED | {"dry_run": True})]
    assert call("tools", "diff", folder / "shrink.yaml", "--exit-code").exit_code == 1


def test_tools_are_listed_by_filters(gateway: FakeGateway, call: Any) -> None:  # noqa: F811
    """Only those that are given reach the gateway; a deprecated tool says what to use."""
    old = TOOL | {"deprecated": {"successor": "echo-2", "note": ""}}
    gateway.answer("GET /v1/tools", 200, {"tools": [old], "next_page_token": ""})
    done = call("tools", "list", "--category", "text", "-q", "say again", "--disabled")
    assert parse_qs(urlsplit(gateway.sent[0].path).query) == {
        "category": ["text"],
        "q": ["say again"],
        "enabled": ["false"],
        "page_size": ["200"],
    }
    assert "deprecated: use echo-2" in done.stdout


def test_a_tool_shows_what_is_out_of_the_ordinary(gateway: FakeGateway, call: Any) -> None:  # noqa: F811
    """An operator's price, one ahead, deprecation and documentation."""
    later = {"price": PRICE | {"base": "9"}, "effective_at": "2031-01-01T00:00:00Z"}
    more = {"price_origin": "operator", "scheduled_price": later, "documentation": "# How", "provider": "acme"}
    gateway.answer("GET /v1/tools/echo", 200, TOOL | more | {"deprecated": {"successor": None, "note": "Old."}})
    said = call("tools", "show", "echo").stdout
    for part in ("(operator's)", "9 + 0.5 per page from 2031-01-01T00:00:00Z", "acme", "Old.", "# How"):
        assert part in said


def test_versions_are_listed_with_their_prices(gateway: FakeGateway, call: Any) -> None:  # noqa: F811
    """Newest first."""
    price = {"price_version": 3, "price": PRICE, "price_origin": "operator", "created_at": "2031-01-01T00:00:00Z"}
    version = {"version": 2, "digest": "ab" * 32, "created_at": "2031-01-01T10:20:30.5Z", "prices": [price]}
    gateway.answer("GET /v1/tools/echo/versions", 200, {"versions": [version], "next_page_token": "p"})
    done = call("tools", "versions", "echo", "--limit", "1")
    assert done.stdout.splitlines()[1].split("  ")[-4:] == [
        *("2", "2031-01-01T10:20:30Z", "abababababab"),
        "3: 1 + 0.5 per page (operator's)",
    ]
    assert "older ones" in done.stderr


@pytest.mark.parametrize("way", ["enable", "disable"])
def test_a_tool_is_switched(gateway: FakeGateway, call: Any, way: str) -> None:  # noqa: F811
    """And what it is then is said."""
    gateway.answer(f"POST /v1/admin/tools/echo/{way}", 200, TOOL | {"enabled": way == "enable"})
    assert call("tools", way, "echo").stdout == f"echo is {'available' if way == 'enable' else 'disabled'}.\n"


def test_a_price_is_shown(gateway: FakeGateway, call: Any) -> None:  # noqa: F811
    """Without an option nothing is changed."""
    gateway.answer("GET /v1/tools/echo", 200, TOOL | {"price_version": 4, "price_origin": "operator"})
    said = call("tools", "price", "echo").stdout
    assert "1 + 0.5 per page, at least 2" in said
    assert "version 4, an operator's" in said
    assert [one.method for one in gateway.sent] == ["GET"]


def test_a_price_is_set_where_it_is_given(gateway: FakeGateway, call: Any) -> None:  # noqa: F811
    """The rest stays as it is; a date is its beginning."""
    gateway.answer("GET /v1/tools/echo", 200, TOOL | {"price": PRICE, "price_version": 1})
    gateway.answer("PUT /v1/admin/tools/echo/price", 200, TOOL | {"price": PRICE, "price_version": 2})
    done = call("tools", "price", "echo", "--base", "2", "--charging", "failed=base", "--at", "2031-01-01")
    assert done.exit_code == 0
    assert gateway.sent[-1].body == {
        "price": PRICE | {"base": "2", "charging": {"succeeded": "measured", "failed": "base"}},
        "effective_at": "2031-01-01T00:00:00Z",
    }
    assert gateway.sent[-1].headers["Idempotency-Key"] in done.stderr


def test_every_unit_is_named_in_the_help() -> None:
    """All that a manifest may count."""
    said = scrip("tools", "price", "--help").stdout
    assert [unit for unit in get_args(UnitWord) if unit not in said] == []


def test_a_price_is_cleared(gateway: FakeGateway, call: Any) -> None:  # noqa: F811
    """The manifest's is in force again."""
    gateway.answer("GET /v1/tools/echo", 200, TOOL | {"price_version": 2})
    gateway.answer("DELETE /v1/admin/tools/echo/price", 200, TOOL | {"price_version": 3, "price_origin": "manifest"})
    assert "version 3, the manifest's" in call("tools", "price", "echo", "--clear").stdout
    assert gateway.sent[-1].method == "DELETE"


USAGE = [
    ("tools", "lint"),
    ("tools", "lint", "/no/such/file"),
    ("tools", "apply", "/no/such/file"),
    ("tools", "price", "echo", "--clear", "--base", "1"),
    ("tools", "price", "echo", "--at", "2031-01-01"),
    ("tools", "price", "echo", "--charging", "failed"),
    ("tools", "price", "echo", "--charging", "failed=half"),
    ("tools", "versions", "echo", "--limit", "0"),
]


@pytest.mark.parametrize("arguments", USAGE)
def test_wrong_usage_is_status_2_and_sends_nothing(gateway: FakeGateway, call: Any, arguments: tuple[str, ...]) -> None:  # noqa: F811
    """What is wrong on the command line is found before anything is sent."""
    done = scrip(*arguments) if arguments[1] == "lint" else call(*arguments)
    assert (done.exit_code, gateway.sent) == (2, [])


def test_a_folder_without_manifests_is_a_mistake(tmp_path: Path) -> None:
    """Nobody lints nothing on purpose."""
    assert scrip("tools", "lint", tmp_path).exit_code == 2
