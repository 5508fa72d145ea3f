"""What is refused over gRPC, with which words, and whose credits a caller may spend."""

from typing import Any

import grpc
import pytest
from scrip.catalog.v1 import catalog_pb2
from scrip.gateway.v1 import gateway_pb2

from tests.gateway.conftest import Account, System
from tests.gateway.grpc_caller import GrpcCaller

ECHO = b'{"message": "x"}'
MEBIBYTE = 1024 * 1024
COMMANDS: dict[str, dict[str, Any]] = {
    "QuotePrice": {"tool": "echo", "input_json": ECHO},
    "ExecuteTool": {"request_id": "q", "tool": "echo", "input_json": ECHO},
    "SubmitJob": {"request_id": "q", "tool": "echo", "input_json": ECHO},
    "GetJob": {"job_id": "job_" + "a" * 26},
    "WatchJob": {"job_id": "job_" + "a" * 26},
    "GetBalance": {},
}


async def test_a_lack_of_credits_is_told_with_numbers(system: System) -> None:
    """FAILED_PRECONDITION with what is required, available and reserved, again under the same id, and over HTTP."""
    account = await system.account("0.05")
    async with system.grpc(account) as caller:
        for method in ("ExecuteTool", "SubmitJob"):
            refusal = await caller.refused(method, request_id="r", tool="echo", input_json=ECHO)
            assert (refusal.reason, refusal.code) == ("INSUFFICIENT_CREDITS", grpc.StatusCode.FAILED_PRECONDITION)
            numbers = {name: refusal.metadata[f"{name}_micros"] for name in ("required", "available", "reserved")}
            assert numbers == {"required": "70000", "available": "50000", "reserved": "0"}
    answer = await system.execute(account, {"message": "x"}, Idempotency_Key="r")
    assert (answer.status_code, answer.headers["idempotent-replayed"]) == (402, "true")
    assert await system.jobs(account) == []


BIG = catalog_pb2.InputFile(property="pdf", media_type="application/pdf", data=bytes(2 * MEBIBYTE))
# What is changed of a good command, the reason, and the field or the words that are told.
BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "no request id": ({"request_id": ""}, "REQUEST_INVALID", "request_id"),
    "a request id with a space": ({"request_id": "a b"}, "REQUEST_INVALID", "request_id"),
    "a request id that is too long": ({"request_id": "x" * 129}, "REQUEST_INVALID", "request_id"),
    "no input": ({"input_json": b""}, "REQUEST_INVALID", "input_json"),
    "an input that is no object": ({"input_json": b"[]"}, "REQUEST_INVALID", "input_json"),
    "an input that is not JSON": ({"input_json": b"{"}, "INPUT_INVALID", ""),
    "an input that does not fit": ({"input_json": b'{"message": 5}'}, "INPUT_INVALID", "/message"),
    "an input that is too large": (
        {"input_json": b'{"message": "%s"}' % (b"x" * MEBIBYTE)},
        "INPUT_TOO_LARGE",
        "input_json has 1048591 bytes, at most 1048576 are taken",
    ),
    "files that are too large": ({"files": [BIG, BIG]}, "INPUT_TOO_LARGE", "at most 3145728 are taken"),
    "a file that the tool does not take": (
        {"files": [catalog_pb2.InputFile(property="x", media_type="text/plain", data=b"x")]},
        "INPUT_INVALID",
        "/x",
    ),
    "a file whose media type is none": (
        {"tool": "pdf-to-text", "files": [catalog_pb2.InputFile(property="pdf", media_type="a/\u00e9", data=b"x")]},
        "INPUT_INVALID",
        "/pdf",
    ),
    "a long reference": ({"reference": "x" * 129}, "REQUEST_INVALID", "reference"),
    "a reference with a line break": ({"reference": "a\nb"}, "REQUEST_INVALID", "reference"),
    "nine labels": ({"labels": {str(n): "" for n in range(9)}}, "REQUEST_INVALID", "labels"),
    "a label without a name": ({"labels": {"": "x"}}, "REQUEST_INVALID", "labels"),
    "an unknown tool": ({"tool": "nothing"}, "TOOL_NOT_FOUND", "nothing"),
    "no tool": ({"tool": ""}, "TOOL_NOT_FOUND", "tool"),
    "a tool that cannot be": ({"tool": "a\0"}, "TOOL_NOT_FOUND", "tool"),
    "a quote that is none": ({"quote_id": "nonsense"}, "QUOTE_MALFORMED", "quote"),
}


@pytest.mark.parametrize(("changed", "reason", "told"), BAD.values(), ids=BAD)
async def test_bad_requests_name_what_is_wrong_and_cost_nothing(
    caller: GrpcCaller, changed: dict[str, Any], reason: str, told: str
) -> None:
    """Each has its reason, names the field, charges nothing and leaves its request id free."""
    command = {"request_id": "r", "tool": "echo", "input_json": ECHO} | changed
    for method in ("ExecuteTool", "SubmitJob"):
        refusal = await caller.refused(method, **command)
        assert refusal.reason == reason
        assert told in [one.field for one in refusal.violations] or told in refusal.message
    assert (await caller.call("GetBalance")).credits.available_micros == 100_000_000
    assert (await caller.submit("r", ECHO)).replayed is False


async def test_a_job_of_another_account_is_not_found(caller: GrpcCaller, system: System) -> None:
    """As one that never was, to be read or to be followed."""
    other = await system.account()
    job_id = (await system.execute(other, {"message": "x"})).json()["job_id"]
    for method in ("GetJob", "WatchJob"):
        for unknown in (job_id, "job_" + "a" * 26, "", "x"):
            refusal = await caller.refused(method, job_id=unknown)
            assert (refusal.reason, refusal.code) == ("JOB_NOT_FOUND", grpc.StatusCode.NOT_FOUND)


async def test_a_service_acts_for_the_account_that_it_names(system: System, account: Account) -> None:
    """It pays with that account's credits, sees its jobs, and its name is on the entries."""
    name = account.account_id
    async with system.grpc(system.services.token) as service:
        made = await service.execute("r", ECHO, account_id=name)
        job = await service.settled(made.job_id, account_id=name)
        assert (await service.call("GetJob", account_id=name, job_id=job.job_id)).job == job
        assert (await service.call("GetBalance", account_id=name)).credits.spent_micros == 10_000
        assert (
            await service.call("QuotePrice", account_id=name, tool="echo", input_json=ECHO)
        ).quote.account_id == name
        for method, fields in COMMANDS.items():
            for wrong in ("", "UPPER", "a b"):
                refusal = await service.refused(method, **fields | {"account_id": wrong})
                assert (refusal.reason, refusal.violations[0].field) == ("REQUEST_INVALID", "account_id")
        refusal = await service.refused("SubmitJob", **COMMANDS["SubmitJob"] | {"account_id": "never-was"})
        assert refusal.reason == "ACCOUNT_NOT_FOUND"
    statement = (await system.client.get("/v1/account/statement", headers=account.headers)).json()
    assert {entry["key_id"] for entry in statement["entries"] if entry.get("job_id")} == {"service:gateway"}


@pytest.mark.parametrize("method", COMMANDS)
async def test_keys_open_their_own_account_only(
    caller: GrpcCaller, system: System, account: Account, method: str
) -> None:
    """Another account's is FORBIDDEN, an admin's key has none, and what is no key or token is UNAUTHENTICATED."""
    other = await system.account(None)
    fields = COMMANDS[method]
    refusal = await caller.refused(method, **fields, account_id=other.account_id)
    assert (refusal.reason, refusal.code) == ("FORBIDDEN", grpc.StatusCode.PERMISSION_DENIED)
    async with system.grpc(system.services.admin_key) as admin:
        refusal = await admin.refused(method, **fields, account_id=account.account_id)
        assert (refusal.reason, refusal.code) == ("ACCOUNT_REQUIRED", grpc.StatusCode.PERMISSION_DENIED)
    for token in ("", "nonsense", "scrip_svc_gateway_wrong", "scrip_user_AAAAAAAA_" + "B" * 32):
        async with system.grpc(token) as nobody:
            call = getattr(nobody.stub, method)(request_of(method), metadata=nobody.peer.metadata(), timeout=10)
            assert await call.code() == grpc.StatusCode.UNAUTHENTICATED


def request_of(method: str) -> Any:
    return getattr(gateway_pb2, f"{method}Request")(**COMMANDS[method])


async def test_a_key_may_name_its_own_account(caller: GrpcCaller, account: Account) -> None:
    """Or leave it out; that is the same request."""
    first = await caller.submit("r", ECHO, account_id=account.account_id)
    assert (await caller.submit("r", ECHO)).job.job_id == first.job.job_id
