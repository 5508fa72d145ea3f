"""The other routes through the running system."""

import re

from tests.gateway.conftest import System, problem


async def test_tools_are_listed_in_pages(system: System) -> None:
    """Pages together hold every tool once, in the order of slugs, and each is the tool of its own address."""
    account = await system.account(None)
    slugs: list[str] = []
    token = ""
    while True:
        page = (await system.client.get(f"/v1/tools?page_size=3&page_token={token}", headers=account.headers)).json()
        slugs += [tool["slug"] for tool in page["tools"]]
        token = page["next_page_token"]
        if not token:
            break
    assert slugs == sorted(set(slugs))
    assert {"barcode-read", "detect-language", "echo", "pdf-to-text"} <= set(slugs)
    tool = (await system.client.get("/v1/tools/echo", headers=account.headers)).json()
    assert tool["price"]["base"] == "0.01"
    assert tool["input_schema"]["required"] == ["message"]
    assert tool["examples"] == [{"message": "Hello"}]
    assert (tool["enabled"], tool["available"]) == (True, True)
    assert "unavailable_reason" not in tool


async def test_accounts_are_opened_once(system: System) -> None:
    """A new id is 201, a known one 200 with the same account; without an id one is made."""
    account = await system.account("5")
    again = await system.client.post(
        "/v1/admin/accounts", json={"account_id": account.account_id}, headers=system.admin
    )
    assert (again.status_code, again.json()["credits"]["granted"]) == (200, "5")
    made = await system.client.post("/v1/admin/accounts", json={}, headers=system.admin | {"Idempotency-Key": "once"})
    assert made.status_code == 201
    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", made.json()["account_id"])
    repeated = await system.client.post(
        "/v1/admin/accounts", json={}, headers=system.admin | {"Idempotency-Key": "once"}
    )
    assert (repeated.status_code, repeated.json()["account_id"]) == (200, made.json()["account_id"])
    shown = (await system.client.get(f"/v1/admin/accounts/{account.account_id}", headers=system.admin)).json()
    own = (await system.client.get("/v1/account", headers=account.headers)).json()
    assert shown.pop("as_of") <= own.pop("as_of")
    assert shown == own


async def test_accounts_are_listed_newest_first(system: System) -> None:
    """Pages together hold every account once."""
    made = [(await system.account("1")).account_id for _ in range(3)]
    first = (await system.client.get("/v1/admin/accounts?page_size=2", headers=system.admin)).json()
    assert [one["account_id"] for one in first["accounts"]] == made[:0:-1]
    assert first["accounts"][0]["credits"]["available"] == "1"
    token = first["next_page_token"]
    second = (
        await system.client.get(f"/v1/admin/accounts?page_size=2&page_token={token}", headers=system.admin)
    ).json()
    assert second["accounts"][0]["account_id"] == made[0]


async def test_a_grant_is_made_once(system: System) -> None:
    """The same key gives the same grant; other content under it is refused; the lists show it."""
    account = await system.account(None)
    path = f"/v1/admin/accounts/{account.account_id}/grants"
    body = {
        "credits": "12.5",
        "source": "purchase",
        "priority": 7,
        "expires_at": "2031-01-31T00:00:00Z",
        "paid": {"amount_micros": 9_990_000, "currency": "EUR"},
        "reference": "invoice-1",
    }
    headers = system.admin | {"Idempotency-Key": "g"}
    first = await system.client.post(path, json=body, headers=headers)
    assert (first.status_code, "idempotent-replayed" in first.headers) == (201, False)
    grant = first.json()
    assert grant == body | {
        "grant_id": grant["grant_id"],
        "account_id": account.account_id,
        "state": "LIVE",
        "available": "12.5",
        "reserved": "0",
        "effective_at": grant["created_at"],
        "created_at": grant["created_at"],
    }
    second = await system.client.post(path, json=body, headers=headers)
    assert (second.status_code, second.headers["idempotent-replayed"], second.json()) == (201, "true", grant)
    other = await system.client.post(path, json=body | {"credits": "13"}, headers=headers)
    assert problem(other) == (422, "REQUEST_ID_REUSED")
    assert (await system.client.get(path, headers=system.admin)).json()["grants"] == [grant]
    assert (await system.credits(account))["granted"] == "12.5"


async def test_a_key_is_shown_once(system: System) -> None:
    """A replayed creation answers null in place of the key; keys are listed without their text."""
    account = await system.account(None)
    path = f"/v1/admin/accounts/{account.account_id}/keys"
    headers = system.admin | {"Idempotency-Key": "k"}
    first = await system.client.post(path, json={"name": "one"}, headers=headers)
    assert first.status_code == 201
    key = first.json()
    assert re.fullmatch(r"scrip_user_[0-9A-Za-z]{8}_[0-9A-Za-z]{32}", key["key"])
    assert key["key"].split("_")[2] == key["key_id"]
    second = await system.client.post(path, json={"name": "one"}, headers=headers)
    assert second.json() == key | {"key": None}
    assert (second.status_code, second.headers["idempotent-replayed"]) == (201, "true")
    assert problem(await system.client.post(path, json={"name": "two"}, headers=headers)) == (422, "REQUEST_ID_REUSED")
    works = await system.client.get("/v1/account", headers={"Authorization": f"bearer {key['key']}"})
    assert works.status_code == 200
    listed = (await system.client.get(f"{path}?page_size=1", headers=system.admin)).json()
    assert listed["keys"] == [{name: value for name, value in key.items() if name != "key"}]
    rest = (await system.client.get(f"{path}?page_token={listed['next_page_token']}", headers=system.admin)).json()
    assert [one["name"] for one in rest["keys"]] == ["test"]
    stored = system.services.query(
        "gateway", "SELECT count(*) FROM api_key k WHERE k::text LIKE %s", f"%{key['key'][-32:]}%"
    )
    assert stored == [(0,)]


async def test_jobs_and_entries_come_in_pages(system: System) -> None:
    """Pages of jobs and of the statement are newest first, hold each item once, and bind their account."""
    account, other = await system.account(), await system.account()
    made = [(await system.execute(account, {"message": str(n)})).json()["job_id"] for n in range(3)]
    first = (await system.client.get("/v1/jobs?page_size=2", headers=account.headers)).json()
    assert [job["job_id"] for job in first["jobs"]] == made[:0:-1]
    assert all("output" not in job for job in first["jobs"])
    token = first["next_page_token"]
    second = (await system.client.get(f"/v1/jobs?page_token={token}", headers=account.headers)).json()
    assert [job["job_id"] for job in second["jobs"]] == made[:1]
    assert second["next_page_token"] == ""
    foreign = await system.client.get(f"/v1/jobs?page_token={token}", headers=other.headers)
    assert problem(foreign) == (400, "REQUEST_INVALID")
    positions: list[str] = []
    token = ""
    while True:
        path = f"/v1/account/statement?page_size=4&page_token={token}"
        page = (await system.client.get(path, headers=account.headers)).json()
        positions += [entry["position"] for entry in page["entries"]]
        token = page["next_page_token"]
        if not token:
            break
    assert len(positions) == len(set(positions)) > 8
    assert positions == sorted(positions, key=lambda position: -int(position.split(":")[1]))


async def test_health_and_metrics_need_no_key(system: System) -> None:
    """Operators' routes are open, and requests are counted by route, not by address."""
    assert (await system.client.get("/healthz")).json() == {"status": "ok"}
    account = await system.account(None)
    await system.client.get("/v1/jobs/job_aaaaaaaaaaaaaaaaaaaaaaaaaa", headers=account.headers)
    metrics = (await system.client.get("/metrics")).text
    assert 'scrip_requests_total{code="404",door="http",method="GET /v1/jobs/{job_id}"}' in metrics
    assert "aaaaaaaa" not in metrics


async def test_readiness_names_the_part_that_is_missing(system: System) -> None:
    """The whole system is not ready without its analytics; each part says how it is."""
    response = await system.client.get("/readyz")
    body = response.json()
    assert (response.status_code, body["status"]) == (503, "unavailable")
    assert body["parts"].pop("analytics") == {"ready": False, "detail": "does not answer"}
    assert set(body["parts"]) == {"database", "tools", "catalog", "ledger", "executor", "nats"}
    assert all(part["ready"] for part in body["parts"].values())


async def test_the_document_is_complete(system: System) -> None:
    """Every route is in /openapi.json, every reference leads somewhere, and operations tell what they refuse."""
    document = (await system.client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    schemas = document["components"]["schemas"]
    references = set(re.findall(r'"#/components/schemas/(\w+)"', (await system.client.get("/openapi.json")).text))
    assert references == set(schemas)
    paths = document["paths"]
    assert {"/v1/tools/{slug}/execute", "/v1/admin/accounts/{account_id}/grants", "/readyz"} <= set(paths)
    execute = paths["/v1/tools/{slug}/execute"]["post"]
    assert set(execute["responses"]) >= {"200", "202", "400", "401", "402", "403", "404", "409", "413", "422", "503"}
    assert {one["name"] for one in execute["parameters"]} == {"slug", "Prefer", "Idempotency-Key"}
    assert execute["requestBody"]["content"]["application/json"]["example"]["input"]
    ids = [operation["operationId"] for methods in paths.values() for operation in methods.values()]
    assert len(ids) == len(set(ids))
