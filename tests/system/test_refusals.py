"""The table of refusals, through HTTP: each has its own reason, charges nothing and leaves nothing reserved."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from services.runtime import ids
from tests.harness.stack import Stack, data_url, settled

ECHO = "/v1/tools/echo/execute"
HI = {"input": {"message": "hi"}}
BARCODE = "/v1/tools/barcode-read/execute"
TEXT_FILE = data_url("text/plain", b"x")


@dataclass
class Caller:
    """An account with one credit."""

    stack: Stack
    client: httpx.AsyncClient

    async def quote(self, message: str = "hi") -> str:
        """A quote for echo."""
        answer = await self.client.post("/v1/tools/echo/quote", json={"input": {"message": message}})
        quote_id: str = answer.json()["quote_id"]
        return quote_id

    async def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        """A request of this caller."""
        return await self.client.post(path, json=body, headers=headers)


@pytest.fixture
async def caller(stack: Stack) -> AsyncIterator[Caller]:
    """A caller of this test."""
    _, client = await stack.account("1")
    yield Caller(stack, client)


async def _too_large(c: Caller) -> httpx.Response:
    return await c.post(ECHO, {"input": {"message": "x" * 1_100_000}})


async def _large_file(c: Caller) -> httpx.Response:
    return await c.post(BARCODE, {"input": {"image": data_url("image/png", b"x" * 1_048_577)}})


async def _no_key(c: Caller) -> httpx.Response:
    async with httpx.AsyncClient(base_url=c.client.base_url, trust_env=False) as stranger:
        return await stranger.post(ECHO, json=HI)


async def _wrong_key(c: Caller) -> httpx.Response:
    return await c.post(ECHO, HI, authorization=f"Bearer scrip_user_{'x' * 8}_{'y' * 32}")


async def _other_input(c: Caller) -> httpx.Response:
    return await c.post(ECHO, {"input": {"message": "other"}, "quote_id": await c.quote()})


async def _other_account(c: Caller) -> httpx.Response:
    _, other = await c.stack.account("1")
    return await other.post(ECHO, json=HI | {"quote_id": await c.quote()})


async def _used_quote(c: Caller) -> httpx.Response:
    _, poorer = await c.stack.account("1")
    spender = Caller(c.stack, poorer)
    body = HI | {"quote_id": await spender.quote()}
    first = await spender.post(ECHO, body)
    again = await spender.post(ECHO, body)
    assert first.json()["job_id"] in again.text
    return again


async def _reused_key(c: Caller) -> httpx.Response:
    _, spender = await c.stack.account("1")
    key = ids.uuid7()
    await spender.post(ECHO, json=HI, headers={"idempotency-key": key})
    return await spender.post(ECHO, json={"input": {"message": "other"}}, headers={"idempotency-key": key})


async def _admin_without_account(c: Caller) -> httpx.Response:
    return await c.stack.admin().get("/v1/account")


async def _user_on_admin(c: Caller) -> httpx.Response:
    return await c.post("/v1/admin/accounts", {"account_id": "mine"})


async def _grant_without_key(c: Caller) -> httpx.Response:
    return await c.stack.admin().post("/v1/admin/accounts/demo/grants", json={"credits": "1", "source": "promotion"})


def _grant(credits: Any) -> Any:
    async def act(c: Caller) -> httpx.Response:
        return await c.stack.admin().post(
            "/v1/admin/accounts/demo/grants",
            json={"credits": credits, "source": "promotion"},
            headers={"idempotency-key": ids.uuid7()},
        )

    return act


def _post(path: str, body: Any, **headers: str) -> Any:
    async def act(c: Caller) -> httpx.Response:
        return await c.post(path, body, **headers)

    return act


def _get(path: str) -> Any:
    async def act(c: Caller) -> httpx.Response:
        return await c.client.get(path)

    return act


REFUSALS = [
    ("unknown tool", _post("/v1/tools/nope/execute", HI), 404, "tool-not-found"),
    ("unknown path", _get("/v1/nope"), 404, "not-found"),
    ("unknown job", _get("/v1/jobs/job_nope"), 404, "job-not-found"),
    ("method not allowed", _post("/v1/account", {}), 405, "method-not-allowed"),
    ("input against the schema", _post(ECHO, {"input": {"message": 5, "extra": 1}}), 422, "input-invalid"),
    ("a file of another type", _post(BARCODE, {"input": {"image": TEXT_FILE}}), 422, "input-invalid"),
    ("no input", _post(ECHO, {}), 400, "request-invalid"),
    ("input too large", _too_large, 413, "input-too-large"),
    ("file too large", _large_file, 413, "input-too-large"),
    ("no key", _no_key, 401, "unauthenticated"),
    ("wrong key", _wrong_key, 401, "unauthenticated"),
    ("quote malformed", _post(ECHO, HI | {"quote_id": "nonsense"}), 400, "quote-malformed"),
    ("quote for other input", _other_input, 409, "quote-other-input"),
    ("quote of another account", _other_account, 404, "quote-other-account"),
    ("quote used", _used_quote, 409, "quote-used"),
    ("key with other content", _reused_key, 422, "request-id-reused"),
    ("wait too long", _post(ECHO, HI, prefer="wait=61"), 400, "request-invalid"),
    ("nine labels", _post(ECHO, HI | {"labels": {str(n): "x" for n in range(9)}}), 400, "request-invalid"),
    ("bad Idempotency-Key", _post(ECHO, HI, **{"idempotency-key": "x" * 129}), 400, "request-invalid"),
    ("page too large", _get("/v1/jobs?page_size=201"), 400, "request-invalid"),
    ("bad page token", _get("/v1/account/statement?page_token=nonsense"), 400, "request-invalid"),
    ("admin key on an account route", _admin_without_account, 403, "account-required"),
    ("user key on an admin route", _user_on_admin, 403, "forbidden"),
    ("grant without Idempotency-Key", _grant_without_key, 400, "idempotency-key-required"),
    ("grant of nothing", _grant("0"), 400, "request-invalid"),
    ("negative grant", _grant("-1"), 400, "request-invalid"),
    ("grant of seven places", _grant("0.0000001"), 400, "request-invalid"),
    ("grant beyond int64", _grant("9223372036854.775808"), 400, "request-invalid"),
    ("grant as a number", _grant(1.5), 400, "request-invalid"),
]  # fmt: skip


@pytest.mark.parametrize(("act", "status", "reason"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
async def test_each_refusal_has_its_reason_and_costs_nothing(
    caller: Caller, act: Any, status: int, reason: str
) -> None:
    """The answer is problem+json with the stable type, and the caller still has one credit, nothing reserved."""
    answer = await act(caller)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:scrip:problem:{reason}"), answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.headers["x-request-id"]
    for secret in ("Traceback", "psycopg", "grpc", "services."):
        assert secret not in answer.text
    credits = (await caller.client.get("/v1/account")).json()["credits"]
    assert (credits["available"], credits["reserved"], credits["spent"]) == ("1", "0", "0")


async def test_every_violation_is_told_with_its_pointer(caller: Caller) -> None:
    """All that is wrong with an input is said at once."""
    answer = await caller.post(ECHO, {"input": {"message": 5, "delay_seconds": 61, "outcome": "maybe"}})
    assert sorted(error["pointer"] for error in answer.json()["errors"]) == ["/delay_seconds", "/message", "/outcome"]


async def test_not_enough_credits_names_the_numbers(stack: Stack) -> None:
    """402 says what is required, available and reserved; with a key the refusal is replayed."""
    _, client = await stack.account("0.05")
    first, again = [await client.post(ECHO, json=HI, headers={"idempotency-key": "one"}) for _ in range(2)]
    problem = first.json()
    assert first.status_code == 402
    assert {name: problem[name] for name in ("required", "available", "reserved")} == {
        "required": "0.07",
        "available": "0.05",
        "reserved": "0",
    }
    assert again.status_code == 402
    assert again.headers["idempotent-replayed"] == "true"


async def test_a_key_answers_the_same_job_again(caller: Caller) -> None:
    """A replay says so and costs nothing more; many at once lead to one job."""
    answers = await asyncio.gather(
        *(
            caller.post(ECHO, {"input": {"message": "hi", "delay_seconds": 1}}, **{"idempotency-key": "k"})
            for _ in range(5)
        )
    )
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.json()["job_id"] for answer in answers if answer.status_code == 200}) == 1
    again = await caller.post(ECHO, {"input": {"message": "hi", "delay_seconds": 1}}, **{"idempotency-key": "k"})
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    assert (await caller.client.get("/v1/account")).json()["credits"]["spent"] == "0.011"


async def test_a_disabled_tool_refuses_even_a_valid_quote(caller: Caller) -> None:
    """403 from the moment an operator switches the tool off, until it is on again."""
    admin = caller.stack.admin()
    quote_id = (await caller.post("/v1/tools/detect-language/quote", {"input": {"text": "Guten Tag"}})).json()[
        "quote_id"
    ]
    body = {"input": {"text": "Guten Tag"}, "quote_id": quote_id}
    off = await admin.post("/v1/admin/tools/detect-language/disable")
    assert off.json()["enabled"] is False
    try:
        refused = await caller.post("/v1/tools/detect-language/execute", body)
        assert (refused.status_code, refused.json()["reason"]) == (403, "TOOL_DISABLED")
    finally:
        await admin.post("/v1/admin/tools/detect-language/enable")
    done = await caller.post("/v1/tools/detect-language/execute", body)
    assert done.status_code == 200


async def test_waiting_ends_and_the_job_goes_on(caller: Caller) -> None:
    """When the wait ends first: 202 with the job's place, where its end is to be seen."""
    answer = await caller.post(ECHO, {"input": {"message": "hi", "delay_seconds": 1.5}}, prefer="wait=0")
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "wait=0"
    place = answer.headers["location"]
    job = await settled(caller.client, place.rpartition("/")[2])
    assert job["status"] == "SUCCEEDED"
