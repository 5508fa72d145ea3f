"""What is refused, with which words; and that a refusal costs nothing."""

import base64
from typing import Any

import httpx
import pytest

from tests.gateway.conftest import System, problem
from tests.harness.waiting import eventually

ECHO = {"message": "x"}
MEBIBYTE = 1024 * 1024
UNKNOWN_KEY = "scrip_user_AAAAAAAA_" + "B" * 32


@pytest.mark.parametrize(
    ("authorization", "words"),
    [
        (None, "an API key is needed"),
        ("", "an API key is needed"),
        ("Bearer", "not known"),
        ("Bearer nonsense", "not known"),
        (f"Bearer {UNKNOWN_KEY}", "not known"),
        (f"Basic {UNKNOWN_KEY}", "not known"),
        (f"Bearer {UNKNOWN_KEY}\xff", "not known"),
    ],
)
async def test_without_a_good_key_nobody_enters(system: System, authorization: str | None, words: str) -> None:
    """A missing, malformed or unknown key is UNAUTHENTICATED on every route that needs one."""
    headers = [] if authorization is None else [(b"Authorization", authorization.encode("latin-1"))]
    document = (await system.client.get("/openapi.json")).json()
    asked = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if operation.get("security") == []:
                continue
            asked += 1
            response = await system.client.request(method, path.replace("{slug}", "echo"), headers=headers)
            assert problem(response) == (401, "UNAUTHENTICATED"), path
            assert words in response.json()["detail"]
            assert response.headers["www-authenticate"].startswith("Bearer")
    assert asked >= 15


async def test_roles_open_their_own_doors(system: System) -> None:
    """An admin key has no account, and a user key commands nobody."""
    account = await system.account(None)
    for_all = ("/v1/tools", "/v1/tools/{slug}", "/v1/tools/{slug}/versions", "/v1/categories")
    document = (await system.client.get("/openapi.json")).json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            where = path.replace("{slug}", "echo").replace("{account_id}", account.account_id)
            if "/admin/" in path:
                response = await system.client.request(method, where, headers=account.headers)
                assert problem(response) == (403, "FORBIDDEN"), path
            elif operation.get("security") != [] and path not in for_all:
                response = await system.client.request(method, where, headers=system.admin)
                assert problem(response) == (403, "ACCOUNT_REQUIRED"), path


def data_url(size: int) -> str:
    return "data:application/pdf;base64," + base64.b64encode(bytes(size)).decode()


REFUSALS: list[tuple[str, dict[str, Any], dict[str, str], int, str]] = [
    ("nothing", {"input": {}}, {}, 404, "TOOL_NOT_FOUND"),
    ("%00", {"input": {}}, {}, 404, "TOOL_NOT_FOUND"),
    ("ECHO", {"input": {}}, {}, 404, "TOOL_NOT_FOUND"),
    ("echo", {}, {}, 400, "REQUEST_INVALID"),
    ("echo", {"input": []}, {}, 400, "REQUEST_INVALID"),
    ("echo", {"input": ECHO, "extra": 1}, {}, 400, "REQUEST_INVALID"),
    ("echo", {"input": ECHO, "labels": {str(n): "" for n in range(9)}}, {}, 400, "REQUEST_INVALID"),
    ("echo", {"input": ECHO}, {"Prefer": "wait=61"}, 400, "REQUEST_INVALID"),
    ("echo", {"input": ECHO}, {"Idempotency-Key": "a b"}, 400, "REQUEST_INVALID"),
    ("echo", {"input": {}}, {}, 422, "INPUT_INVALID"),
    ("echo", {"input": {"message": "x", "delay_seconds": 61}}, {}, 422, "INPUT_INVALID"),
    ("pdf-to-text", {"input": {"pdf": "data:nonsense"}}, {}, 422, "INPUT_INVALID"),
    ("pdf-to-text", {"input": {"pdf": data_url(MEBIBYTE + 1)}}, {}, 413, "INPUT_TOO_LARGE"),
    ("echo", {"input": {"message": "x" * MEBIBYTE}}, {}, 413, "INPUT_TOO_LARGE"),
    ("echo", {"input": {"message": "x" * 8 * MEBIBYTE}}, {}, 413, "INPUT_TOO_LARGE"),
    ("echo", {"input": ECHO, "quote_id": ""}, {}, 400, "QUOTE_MALFORMED"),
    ("echo", {"input": ECHO, "quote_id": "nonsense"}, {}, 400, "QUOTE_MALFORMED"),
    ("echo", {"input": ECHO}, {"Authorization": f"Bearer {UNKNOWN_KEY}"}, 401, "UNAUTHENTICATED"),
]


@pytest.mark.parametrize(("tool", "body", "headers", "status", "reason"), REFUSALS)
@pytest.mark.parametrize("idempotency_key", [None, "key"])
async def test_bad_requests_cost_nothing(
    system: System,
    idempotency_key: str | None,
    tool: str,
    body: dict[str, Any],
    headers: dict[str, str],
    status: int,
    reason: str,
) -> None:
    """Each refusal has its reason, charges nothing, leaves nothing reserved and no trace under its key."""
    account = await system.account()
    keyed = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    response = await system.client.post(
        f"/v1/tools/{tool}/execute", json=body, headers=account.headers | keyed | headers
    )
    assert problem(response) == (status, reason)
    credits = await system.credits(account)
    assert (credits["available"], credits["reserved"], credits["spent"]) == ("100", "0", "0")
    assert await system.jobs(account) == []
    if idempotency_key:
        answer = await system.execute(account, ECHO, Idempotency_Key=idempotency_key)
        assert answer.status_code == 200
        assert "idempotent-replayed" not in answer.headers


async def test_every_violation_is_named(system: System) -> None:
    """An input that does not fit its schema is answered with every violation and its JSON pointer."""
    account = await system.account()
    response = await system.execute(account, {"message": 5, "delay_seconds": -1})
    assert problem(response) == (422, "INPUT_INVALID")
    found = {(one["pointer"], one["keyword"]) for one in response.json()["errors"]}
    assert found == {("/message", "type"), ("/delay_seconds", "minimum")}


async def test_a_disabled_tool_is_refused_with_a_good_quote_too(system: System) -> None:
    """The operator's switch stops a tool at once, quotes or not, and lets it go on at once."""
    account = await system.account()
    given = {"text": "Guten Morgen, wie geht es Ihnen?"}
    quote = await system.quote(account, given, "detect-language")
    switched = await system.client.post("/v1/admin/tools/detect-language/disable", headers=system.admin)
    assert (switched.status_code, switched.json()["enabled"]) == (200, False)
    try:
        for body in ({}, {"quote_id": quote["quote_id"]}):
            response = await system.execute(account, given, "detect-language", body)
            assert problem(response) == (403, "TOOL_DISABLED")
    finally:
        switched = await system.client.post("/v1/admin/tools/detect-language/enable", headers=system.admin)
    assert (switched.status_code, switched.json()["enabled"]) == (200, True)
    answer = await system.execute(account, given, "detect-language", {"quote_id": quote["quote_id"]})
    assert answer.status_code == 200


async def test_a_lack_of_credits_names_its_numbers(system: System) -> None:
    """402 tells what is required, available and reserved, in credits."""
    account = await system.account("0.05")
    response = await system.execute(account, ECHO)
    assert problem(response) == (402, "INSUFFICIENT_CREDITS")
    body = response.json()
    assert (body["required"], body["available"], body["reserved"]) == ("0.07", "0.05", "0")
    assert (await system.credits(account))["available"] == "0.05"


async def test_a_quote_is_for_one_account_tool_and_input_and_one_job(system: System) -> None:
    """Another account's quote is unknown, another input or tool is a conflict, and a used quote names its job."""
    account, other = await system.account(), await system.account()
    quote_id = (await system.quote(account, ECHO))["quote_id"]
    body = {"quote_id": quote_id}
    assert problem(await system.execute(other, ECHO, body=body)) == (404, "QUOTE_OTHER_ACCOUNT")
    assert problem(await system.execute(account, {"message": "y"}, body=body)) == (409, "QUOTE_OTHER_INPUT")
    answer = await system.execute(account, {"text": "Guten Tag"}, "detect-language", body)
    assert problem(answer) == (409, "QUOTE_OTHER_INPUT")
    job = await system.execute(account, ECHO, body=body)
    assert job.status_code == 200
    job_id = job.json()["job_id"]
    for headers in ({}, {"Idempotency_Key": "another"}, {"Idempotency_Key": "another"}):
        used = await system.execute(account, ECHO, body=body, **headers)
        assert problem(used) == (409, "QUOTE_USED")
        assert used.headers["location"] == f"/v1/jobs/{job_id}"
        assert used.json()["job_id"] == job_id
    assert (await system.credits(account))["spent"] == "0.01"
    assert len(await system.jobs(account)) == 1


async def test_unknown_paths_and_methods_are_problems(system: System) -> None:
    """404 and 405 are problem details like all others."""
    assert problem(await system.client.get("/v1/nothing")) == (404, "NOT_FOUND")
    assert problem(await system.client.get("/")) == (404, "NOT_FOUND")
    response = await system.client.put("/v1/tools/echo/execute")
    assert problem(response) == (405, "METHOD_NOT_ALLOWED")
    assert response.headers["allow"] == "POST"


async def test_another_accounts_job_does_not_exist(system: System) -> None:
    """A job is found by its own account only, and a name that cannot be a job's is not found either."""
    account, other = await system.account(), await system.account()
    job = (await system.execute(account, ECHO)).json()
    path = f"/v1/jobs/{job['job_id']}"
    found = (await system.client.get(path, headers=account.headers)).json()
    del found["attempts"]
    assert found == job
    assert problem(await system.client.get(path, headers=other.headers)) == (404, "JOB_NOT_FOUND")
    assert problem(await system.client.get("/v1/jobs/x", headers=account.headers)) == (404, "JOB_NOT_FOUND")


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("/v1/jobs?page_size=0", 400, "REQUEST_INVALID"),
        ("/v1/jobs?page_token=nonsense", 400, "REQUEST_INVALID"),
        ("/v1/account/statement?page_size=201", 400, "REQUEST_INVALID"),
        ("/v1/account/statement?page_token=nonsense", 400, "REQUEST_INVALID"),
        ("/v1/tools?page_size=x", 400, "REQUEST_INVALID"),
        ("/v1/tools?page_token=nonsense", 400, "REQUEST_INVALID"),
    ],
)
async def test_bad_pages_are_refused(system: System, path: str, status: int, reason: str) -> None:
    """A page size out of bounds and a token nobody gave out are REQUEST_INVALID."""
    account = await system.account(None)
    assert problem(await system.client.get(path, headers=account.headers)) == (status, reason)


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "reason"),
    [
        ("accounts", {"account_id": "UPPER"}, {}, 400, "REQUEST_INVALID"),
        ("accounts", {"account_id": "a" * 64}, {}, 400, "REQUEST_INVALID"),
        ("accounts", {"name": "x"}, {}, 400, "REQUEST_INVALID"),
        ("accounts/none/grants", {"credits": "1", "source": "plan"}, {}, 400, "IDEMPOTENCY_KEY_REQUIRED"),
        (
            "accounts/none/grants",
            {"credits": "1", "source": "plan"},
            {"Idempotency-Key": "g"},
            404,
            "ACCOUNT_NOT_FOUND",
        ),
        (
            "accounts/NONE/grants",
            {"credits": "1", "source": "plan"},
            {"Idempotency-Key": "g"},
            404,
            "ACCOUNT_NOT_FOUND",
        ),
        ("accounts/none/grants", {"credits": "0", "source": "plan"}, {"Idempotency-Key": "g"}, 400, "REQUEST_INVALID"),
        ("accounts/none/grants", {"credits": 1, "source": "plan"}, {"Idempotency-Key": "g"}, 400, "REQUEST_INVALID"),
        ("accounts/none/keys", {"name": "x"}, {}, 404, "ACCOUNT_NOT_FOUND"),
        ("accounts/none/keys", {"name": ""}, {}, 400, "REQUEST_INVALID"),
        ("accounts/none/keys", {"name": "a\x00b"}, {}, 400, "REQUEST_INVALID"),
        ("tools/none/enable", None, {}, 404, "TOOL_NOT_FOUND"),
        ("tools/none/disable", None, {}, 404, "TOOL_NOT_FOUND"),
    ],
)
async def test_bad_commands_of_operators_are_refused(
    system: System, path: str, body: Any, headers: dict[str, str], status: int, reason: str
) -> None:
    """Each refusal of an operator's command has its reason."""
    response = await system.client.post(f"/v1/admin/{path}", json=body, headers=system.admin | headers)
    assert problem(response) == (status, reason)


async def test_what_is_not_json_is_refused(system: System) -> None:
    """A body that is no JSON is a problem, whatever its bytes."""
    account = await system.account(None)
    for content in (b"", b"{", b"\xff\x00", b"a=b", b"[" * 200_000):
        response = await system.client.post("/v1/tools/echo/execute", content=content, headers=account.headers)
        assert problem(response) == (400, "REQUEST_INVALID")


async def test_a_client_that_breaks_off_leaves_a_healthy_gateway(system: System) -> None:
    """A request that ends in the middle of its body is forgotten."""
    account = await system.account(None)

    async def body() -> Any:
        yield b'{"input": '
        raise httpx.WriteError("gone")

    with pytest.raises(httpx.WriteError):
        await system.client.post("/v1/tools/echo/execute", content=body(), headers=account.headers)
    await eventually(system.tool_is_available, 5)


@pytest.mark.parametrize("media_type", ["multipart/form-data; boundary=b", "application/x-www-form-urlencoded"])
async def test_a_form_is_not_kept_as_a_file(system: System, media_type: str) -> None:
    """What wraps the file would be stored for it."""
    account = await system.account(None)
    headers = account.headers | {"Content-Type": media_type}
    refused = await system.client.post("/v1/files", content=b"--b", headers=headers)
    assert problem(refused) == (400, "REQUEST_INVALID")
    assert refused.json()["field"] == "Content-Type"


@pytest.mark.parametrize("path", ["/v1/files/", "/v1/nothing", "/v1/jobs/x/y/z"])
async def test_what_is_no_path_is_not_found(system: System, path: str) -> None:
    """Whatever the method."""
    for method in ("GET", "DELETE"):
        assert problem(await system.client.request(method, path, headers=system.admin)) == (404, "NOT_FOUND")
