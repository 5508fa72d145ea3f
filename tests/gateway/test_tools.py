"""Tools, prices and categories over HTTP, through the running system."""

import json
from typing import Any

import httpx
import pytest
import yaml

from services.runtime import ids
from tests.gateway.conftest import System, problem
from tests.harness.waiting import eventually

SHOUT = """\
slug: {slug}
name: Shout
description: Says a message {how}.
category: text
tags: [loud-{slug}]
price: {{base: "{base}"}}
limits: {{input_bytes: 1000, timeout_ms: 1000}}
run: {{kind: python, handler: echo, retry: safe}}
input_schema:
  type: object
  properties: {{message: {{type: string}}}}
output_schema: {{type: object}}
examples: [{{message: hi}}]
"""


def shout(slug: str, how: str = "loudly", base: str = "0.5") -> str:
    """A manifest."""
    return SHOUT.format(slug=slug, how=how, base=base)


@pytest.fixture
def slug() -> str:
    """A tool of this test's own."""
    return f"shout-{ids.uuid7()[-12:]}"


async def apply(system: System, manifest: str, query: str = "", **headers: str) -> httpx.Response:
    """POST /v1/admin/tools."""
    named = {"content-type": "application/yaml"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return await system.client.post(f"/v1/admin/tools{query}", content=manifest, headers=system.admin | named)


async def test_a_manifest_becomes_a_tool_that_can_be_executed(system: System, slug: str) -> None:
    """In YAML; created, then the same, then another version, of which all is told."""
    account = await system.account()
    created = await apply(system, shout(slug), Idempotency_Key=f"k-{slug}")
    assert created.status_code == 201, created.text
    body = created.json()
    assert body.pop("changes")[0] == {"path": "slug", "before": None, "after": f'"{slug}"'}
    assert body == {
        "slug": slug,
        "outcome": "created",
        "version": 1,
        "price_version": 1,
        "price_origin": "manifest",
        "dry_run": False,
        "changes_left_off": 0,
    }
    await eventually(lambda: system.tool_is_available(slug), 20)
    assert (await system.execute(account, {"message": "x"}, slug)).json()["status"] == "SUCCEEDED"
    again = await apply(system, shout(slug), Idempotency_Key=f"k-{slug}")
    assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")
    same = await apply(system, shout(slug))
    assert (same.status_code, same.json()["outcome"], same.json()["changes"]) == (200, "unchanged", [])
    changed = await apply(system, shout(slug, how="softly", base="1"))
    assert (changed.status_code, changed.json()["outcome"], changed.json()["version"]) == (200, "changed", 2)
    assert changed.json()["changes"] == [
        {"path": "description", "before": '"Says a message loudly."', "after": '"Says a message softly."'},
        {"path": "price.base", "before": '"0.5"', "after": '"1"'},
    ]
    assert (await system.execute(account, {"message": "x"}, slug)).json()["credits"]["captured"] == "1"


async def test_a_manifest_may_be_json(system: System, slug: str) -> None:
    """Whatever its content type says."""
    manifest = json.dumps(yaml.safe_load(shout(slug)))
    made = await apply(system, manifest, content_type="application/json")
    assert (made.status_code, made.json()["outcome"]) == (201, "created")


async def test_a_dry_run_changes_nothing(system: System, slug: str) -> None:
    """It answers 200 with what would be."""
    would = await apply(system, shout(slug), "?dry_run=true")
    assert (would.status_code, would.json()["outcome"], would.json()["dry_run"]) == (200, "created", True)
    assert problem(await system.client.get(f"/v1/tools/{slug}", headers=system.admin)) == (404, "TOOL_NOT_FOUND")


async def test_mistakes_of_a_manifest_are_told_with_line_and_path(system: System, slug: str) -> None:
    """All of them, and nothing is changed."""
    wrong = shout(slug, base="much").replace("timeout_ms: 1000", "timeout_ms: 0")
    refused = await apply(system, wrong)
    assert problem(refused) == (422, "MANIFEST_INVALID")
    assert refused.json()["problems"] == 2
    assert [(one["pointer"], one["message"].partition(":")[0]) for one in refused.json()["errors"]] == [
        ("price.base", "line 6"),
        ("limits.timeout_ms", "line 7"),
    ]
    assert problem(await system.client.get(f"/v1/tools/{slug}", headers=system.admin)) == (404, "TOOL_NOT_FOUND")


WRONG: list[tuple[str, str, Any, int, str]] = [
    ("POST", "/v1/admin/tools", b"", 422, "MANIFEST_INVALID"),
    ("POST", "/v1/admin/tools", b"\xff", 422, "MANIFEST_INVALID"),
    ("POST", "/v1/admin/tools", b"#" * 262_145, 413, "INPUT_TOO_LARGE"),
    ("POST", "/v1/admin/tools?dry_run=maybe", b"{}", 400, "REQUEST_INVALID"),
    ("POST", "/v1/admin/tools?dryrun=true", b"{}", 400, "REQUEST_INVALID"),
    ("PUT", "/v1/admin/tools/echo/price", b"", 400, "REQUEST_INVALID"),
    ("PUT", "/v1/admin/tools/echo/price", b'{"price": 1}', 400, "REQUEST_INVALID"),
    ("PUT", "/v1/admin/tools/echo/price", b'{"price": {"base": 1}}', 400, "REQUEST_INVALID"),
    ("PUT", "/v1/admin/tools/echo/price", b'{"price": {"unit": "page"}}', 400, "REQUEST_INVALID"),
    ("PUT", "/v1/admin/tools/echo/price", b'{"price": {}, "effective_at": "2031-01-01"}', 400, "REQUEST_INVALID"),
    (
        "PUT",
        "/v1/admin/tools/echo/price",
        b'{"price": {"unit": "second"}, "effective_at": "2020-01-01T00:00:00Z"}',
        400,
        "REQUEST_INVALID",
    ),
    ("PUT", "/v1/admin/tools/nope/price", b'{"price": {}}', 404, "TOOL_NOT_FOUND"),
    ("DELETE", "/v1/admin/tools/nope/price", b"", 404, "TOOL_NOT_FOUND"),
    ("GET", "/v1/tools/nope/versions", b"", 404, "TOOL_NOT_FOUND"),
    ("GET", "/v1/tools?colour=red", b"", 400, "REQUEST_INVALID"),
    ("GET", "/v1/tools?enabled=yes", b"", 400, "REQUEST_INVALID"),
    ("GET", f"/v1/tools?q={'x' * 201}", b"", 400, "REQUEST_INVALID"),
    ("GET", f"/v1/tools?tag={'x' * 64}", b"", 400, "REQUEST_INVALID"),
    ("PUT", "/v1/admin/categories/Legal", b'{"name": "Legal"}', 400, "REQUEST_INVALID"),
    ("PUT", "/v1/admin/categories/legal", b'{"name": ""}', 400, "REQUEST_INVALID"),
    ("PUT", "/v1/admin/categories/legal", b'{"name": "a", "sort_order": -1}', 400, "REQUEST_INVALID"),
    ("DELETE", "/v1/admin/categories/nope", b"", 404, "CATEGORY_NOT_FOUND"),
    ("DELETE", "/v1/admin/categories/text", b"", 409, "CATEGORY_IN_USE"),
]


async def test_what_makes_no_sense_is_refused(system: System) -> None:
    """As a table: request, status, reason."""
    for method, path, body, status, reason in WRONG:
        response = await system.client.request(method, path, content=body, headers=system.admin)
        assert (method, path, *problem(response)) == (method, path, status, reason)


async def test_only_operators_change_tools(system: System) -> None:
    """A user's key is refused; it may read everything."""
    account = await system.account(None)
    for method, path in (
        ("POST", "/v1/admin/tools"),
        ("PUT", "/v1/admin/tools/echo/price"),
        ("DELETE", "/v1/admin/tools/echo/price"),
        ("PUT", "/v1/admin/categories/legal"),
        ("DELETE", "/v1/admin/categories/legal"),
    ):
        assert problem(await system.client.request(method, path, headers=account.headers)) == (403, "FORBIDDEN")
    for path in ("/v1/tools", "/v1/categories", "/v1/tools/echo/versions"):
        assert (await system.client.get(path, headers=account.headers)).status_code == 200


async def test_tools_are_found_by_filters(system: System, slug: str) -> None:
    """Category, tag, words, provider and switch, all at once, in pages."""

    async def found(query: str) -> list[str]:
        response = await system.client.get(f"/v1/tools?{query}", headers=system.admin)
        return [tool["slug"] for tool in response.json()["tools"]]

    await apply(system, shout(f"{slug}-a"))
    await apply(system, shout(f"{slug}-b", how="sötto voce"))
    await system.client.post(f"/v1/admin/tools/{slug}-b/disable", headers=system.admin)
    assert await found(f"tag=loud-{slug}-a") == [f"{slug}-a"]
    assert await found(f"q={slug}") == [f"{slug}-a", f"{slug}-b"]
    assert await found(f"q={slug}+VOCE+S%C3%96TTO") == [f"{slug}-b"]
    assert await found(f"q={slug}&enabled=true") == [f"{slug}-a"]
    assert await found(f"q={slug}&enabled=false&category=text") == [f"{slug}-b"]
    assert await found(f"q={slug}&category=images") == []
    assert "translate-deepl" in await found("provider=deepl")
    assert await found(f"q={slug}&provider=deepl") == []
    page = (await system.client.get(f"/v1/tools?q={slug}&page_size=1", headers=system.admin)).json()
    assert await found(f"q={slug}&page_token={page['next_page_token']}") == [f"{slug}-b"]
    foreign = await system.client.get(f"/v1/tools?page_token={page['next_page_token']}", headers=system.admin)
    assert problem(foreign) == (400, "REQUEST_INVALID")


async def test_an_operators_price_is_set_scheduled_and_cleared(system: System, slug: str) -> None:
    """The tool shows whose price is in force and what will be; its history shows what was."""
    await apply(system, shout(slug))
    path = f"/v1/admin/tools/{slug}/price"
    headers = system.admin | {"Idempotency-Key": slug}
    body = {"price": {"base": "2", "charging": {"failed": "base"}}}
    tool = (await system.client.put(path, json=body, headers=headers)).json()
    assert (tool["price"]["base"], tool["price_version"], tool["price_origin"]) == ("2", 2, "operator")
    assert tool["price"]["charging"]["failed"] == "base"
    assert (await system.client.put(path, json=body, headers=headers)).headers["idempotent-replayed"] == "true"
    later = {"price": {"base": "3"}, "effective_at": "2031-01-01T00:00:00+01:00"}
    tool = (await system.client.put(path, json=later, headers=system.admin)).json()
    assert tool["scheduled_price"]["price"]["base"] == "3"
    assert tool["scheduled_price"]["effective_at"] == "2030-12-31T23:00:00Z"
    assert (await apply(system, shout(slug, base="0.7"))).json()["price_origin"] == "operator"
    tool = (await system.client.delete(path, headers=system.admin)).json()
    assert (tool["price"]["base"], tool["price_origin"], "scheduled_price" in tool) == ("0.7", "manifest", False)
    versions = (await system.client.get(f"/v1/tools/{slug}/versions", headers=system.admin)).json()["versions"]
    assert [(one["version"], [price["price"]["base"] for price in one["prices"]]) for one in versions] == [
        (1, ["0.7", "2", "0.5"])
    ]
    assert versions[0]["digest"] == tool["digest"]
    assert versions[0]["prices"][1]["price_origin"] == "operator"


async def test_a_deprecated_tool_names_its_successor(system: System, slug: str) -> None:
    """And the documentation is with the tool, not in lists."""
    more = "deprecated: {successor: echo, note: Use echo.}\ndocumentation: |\n  # Shout\n"
    await apply(system, shout(slug) + more)
    tool = (await system.client.get(f"/v1/tools/{slug}", headers=system.admin)).json()
    assert tool["deprecated"] == {"successor": "echo", "note": "Use echo."}
    assert (tool["documentation"], tool["provider"]) == ("# Shout\n", None)
    (listed,) = (await system.client.get(f"/v1/tools?q={slug}", headers=system.admin)).json()["tools"]
    assert tool.pop("documentation")
    assert listed == tool


async def test_categories_are_listed_and_managed(system: System, slug: str) -> None:
    """By their order; made, changed and deleted while no tool is in them."""
    path = f"/v1/admin/categories/{slug}"
    body = {"name": "Law", "icon": "scale", "description": "Texts of law.", "sort_order": 0}
    made = await system.client.put(path, json=body, headers=system.admin)
    assert (made.status_code, made.json()) == (201, body | {"slug": slug, "tools": 0, "outcome": "created"})
    changed = await system.client.put(path, json=body | {"name": "Legal"}, headers=system.admin)
    assert (changed.status_code, changed.json()["outcome"]) == (200, "changed")
    await apply(system, shout(slug).replace("category: text", f"category: {slug}"))
    listed = (await system.client.get("/v1/categories", headers=system.admin)).json()["categories"]
    assert listed[0] == body | {"name": "Legal", "slug": slug, "tools": 1}
    assert [one["sort_order"] for one in listed] == sorted(one["sort_order"] for one in listed)
    assert problem(await system.client.delete(path, headers=system.admin)) == (409, "CATEGORY_IN_USE")
    await apply(system, shout(slug))
    gone = await system.client.delete(path, headers=system.admin)
    assert (gone.status_code, gone.json()) == (200, {"slug": slug})


async def test_the_document_tells_of_them(system: System) -> None:
    """With both forms of a manifest, and every filter."""
    paths = (await system.client.get("/openapi.json")).json()["paths"]
    apply_tool = paths["/v1/admin/tools"]["post"]
    assert set(apply_tool["requestBody"]["content"]) == {"application/yaml", "application/json"}
    assert {"200", "201", "413", "422"} <= set(apply_tool["responses"])
    names = {parameter["name"] for parameter in paths["/v1/tools"]["get"]["parameters"]}
    assert names == {"category", "tag", "q", "provider", "enabled", "page_size", "page_token"}
    assert set(paths["/v1/admin/tools/{slug}/price"]) == {"put", "delete"}
    assert set(paths["/v1/admin/categories/{slug}"]) == {"put", "delete"}
    assert {"/v1/categories", "/v1/tools/{slug}/versions", "/v1/admin/tools/{slug}/enable"} <= set(paths)
