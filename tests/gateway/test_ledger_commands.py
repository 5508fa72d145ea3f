"""What operators command, as the ledger is told it; the ledger is a double that keeps what it is sent."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from scrip.ledger.v1 import events_pb2, ledger_pb2

from services.runtime.errors import Refusal, invalid
from tests.gateway.conftest import problem
from tests.gateway.scripted_ledger import ADMIN_KEY, USER_KEY, ScriptedLedger, routes

ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}
KEYED = ADMIN | {"Idempotency-Key": "k1"}
ACME = "/v1/admin/accounts/acme"
State = ledger_pb2.Account.State
GRANT = ledger_pb2.Grant(grant_id="g", account_id="acme", state=ledger_pb2.Grant.STATE_LIVE)


@pytest.fixture
def ledger() -> ScriptedLedger:
    return ScriptedLedger()


@pytest.fixture
async def http(ledger: ScriptedLedger) -> AsyncIterator[httpx.AsyncClient]:
    async with routes(ledger) as client:
        yield client


def said(request: Any) -> dict[str, Any]:
    """The fields of a request that are set, but who asked and under which id, which are checked."""
    assert request.subject.key_id == "AAAAAAAA"
    assert len(request.subject.trace_id) == 32
    assert request.account_id == "acme"
    names = {field.name: value for field, value in request.ListFields()}
    return {name: names[name] for name in names if name not in ("subject", "account_id", "request_id")}


COMMANDS: list[tuple[str, Any, type[Any], dict[str, Any]]] = [
    ("freeze", None, ledger_pb2.UpdateAccountRequest, {"state": State.STATE_FROZEN}),
    ("freeze", {"reason": "r"}, ledger_pb2.UpdateAccountRequest, {"state": State.STATE_FROZEN, "reason": "r"}),
    ("unfreeze", {}, ledger_pb2.UpdateAccountRequest, {"state": State.STATE_ACTIVE}),
    ("close", {"reason": "r"}, ledger_pb2.UpdateAccountRequest, {"state": State.STATE_CLOSED, "reason": "r"}),
    (
        "close",
        {"reason": "r", "disposal": "void"},
        ledger_pb2.UpdateAccountRequest,
        {
            "state": State.STATE_CLOSED,
            "reason": "r",
            "disposal": ledger_pb2.UpdateAccountRequest.DISPOSAL_VOID,
        },
    ),
    ("credit-limit", {"credit_limit": "0"}, ledger_pb2.UpdateAccountRequest, {"credit_limit_micros": 0}),
    ("credit-limit", {"credit_limit": "2.5"}, ledger_pb2.UpdateAccountRequest, {"credit_limit_micros": 2_500_000}),
    ("grants/g/void", None, ledger_pb2.VoidGrantRequest, {"grant_id": "g"}),
    ("grants/g/void", {"reason": "r"}, ledger_pb2.VoidGrantRequest, {"grant_id": "g", "reason": "r"}),
    ("adjustments", {"credits": "1", "reason": "r"}, ledger_pb2.AdjustBalanceRequest, {"amount_micros": 1_000_000}),
    ("adjustments", {"credits": "-0.5", "reason": "r"}, ledger_pb2.AdjustBalanceRequest, {"amount_micros": -500_000}),
    (
        "transfers",
        {"to_account_id": "b", "credits": "25"},
        ledger_pb2.TransferCreditsRequest,
        {"to_account_id": "b", "amount_micros": 25_000_000},
    ),
    (
        "refunds",
        {"reservation_id": "job_1", "credits": "0.000001", "reason": "r"},
        ledger_pb2.RefundCaptureRequest,
        {"reservation_id": "job_1", "amount_micros": 1, "reason": "r"},
    ),
]


@pytest.mark.parametrize(("path", "body", "kind", "fields"), COMMANDS)
async def test_a_command_is_sent_as_it_is_meant(
    ledger: ScriptedLedger, http: httpx.AsyncClient, path: str, body: Any, kind: type[Any], fields: dict[str, Any]
) -> None:
    """Its Idempotency-Key is the request id; amounts are microcredits; a replay is told."""
    transfer = ledger_pb2.Transfer(transfer_id="t", state=ledger_pb2.Transfer.STATE_SENT)
    ledger.answers |= {
        "void_grant": ledger_pb2.VoidGrantResponse(grant=GRANT, replayed=True),
        "update_account": ledger_pb2.UpdateAccountResponse(replayed=True),
        "adjust_balance": ledger_pb2.AdjustBalanceResponse(replayed=True),
        "refund_capture": ledger_pb2.RefundCaptureResponse(replayed=True),
        "transfer_credits": ledger_pb2.TransferCreditsResponse(transfer=transfer, replayed=True),
    }
    answer = await http.post(f"{ACME}/{path}", json=body, headers=KEYED)
    assert answer.status_code in (200, 201), answer.text
    assert answer.headers["idempotent-replayed"] == "true"
    request = ledger.of(kind)
    assert request.request_id == "k1"
    assert fields.items() <= said(request).items()


async def test_a_grant_may_be_for_later(ledger: ScriptedLedger, http: httpx.AsyncClient) -> None:
    """`effective_at` and `expires_at` are times with an offset; the answer says where the grant stands."""
    scheduled = ledger_pb2.Grant(grant_id="g", account_id="acme", state=ledger_pb2.Grant.STATE_SCHEDULED)
    ledger.answers["grant_credits"] = ledger_pb2.GrantCreditsResponse(grant=scheduled)
    body = {
        "credits": "5",
        "source": "plan",
        "effective_at": "2031-01-01T02:00:00+02:00",
        "expires_at": "2031-02-01T00:00:00Z",
    }
    answer = await http.post(f"{ACME}/grants", json=body, headers=KEYED)
    assert (answer.status_code, answer.json()["state"]) == (201, "SCHEDULED")
    assert "idempotent-replayed" not in answer.headers
    sent = ledger.of(ledger_pb2.GrantCreditsRequest)
    assert (sent.effective_at.ToJsonString(), sent.expires_at.ToJsonString()) == (
        "2031-01-01T00:00:00Z",
        "2031-02-01T00:00:00Z",
    )


async def test_a_refund_is_about_what_was_captured(ledger: ScriptedLedger, http: httpx.AsyncClient) -> None:
    """Tool, versions and the caller's labels come from the capture, so that reports subtract it where it was added."""
    captured = ledger_pb2.Subject(
        tool="echo", tool_version=3, price_version=4, labels={"team": "blue"}, key_id="user", trace_id="f" * 32
    )
    ledger.answers["ListEntries"] = ledger_pb2.ListEntriesResponse(entries=[ledger_pb2.Entry(subject=captured)])
    ledger.answers["refund_capture"] = ledger_pb2.RefundCaptureResponse(
        amount_micros=1_500_000, refunded_total_micros=2_000_000, grant_id="g2", position="3:9"
    )
    body = {"reservation_id": "job_1", "credits": "1.5", "reason": "r"}
    answer = await http.post(f"{ACME}/refunds", json=body, headers=KEYED)
    assert (answer.status_code, answer.json()) == (
        201,
        {
            "account_id": "acme",
            "reservation_id": "job_1",
            "credits": "1.5",
            "refunded": "2",
            "position": "3:9",
            "grant_id": "g2",
        },
    )
    question = ledger.of(ledger_pb2.ListEntriesRequest)
    assert (question.reservation_id, list(question.kinds)) == ("job_1", [events_pb2.EVENT_KIND_RESERVATION_CAPTURED])
    subject = ledger.of(ledger_pb2.RefundCaptureRequest).subject
    assert (subject.tool, subject.tool_version, subject.price_version, dict(subject.labels)) == (
        "echo",
        3,
        4,
        {"team": "blue"},
    )
    assert (subject.key_id, subject.trace_id != "f" * 32) == ("AAAAAAAA", True)


async def test_an_account_is_opened_with_a_limit(ledger: ScriptedLedger, http: httpx.AsyncClient) -> None:
    """The limit is credits; another one for an account that is open is a conflict."""
    ledger.answers["open_account"] = ledger_pb2.OpenAccountResponse(account=ledger_pb2.Account(account_id="acme"))
    body = {"account_id": "acme", "credit_limit": "100"}
    answer = await http.post("/v1/admin/accounts", json=body, headers=ADMIN)
    assert (answer.status_code, answer.json()["account_id"]) == (201, "acme")
    assert said(ledger.of(ledger_pb2.OpenAccountRequest)) == {"credit_limit_micros": 100_000_000}
    ledger.answers["open_account"] = Refusal("ACCOUNT_EXISTS", "no", {"credit_limit_micros": 5, "requested_micros": 1})
    answer = await http.post("/v1/admin/accounts", json=body, headers=ADMIN)
    assert problem(answer) == (409, "ACCOUNT_EXISTS")
    assert (answer.json()["credit_limit"], answer.json()["requested"]) == ("0.000005", "0.000001")


AMOUNTS = ["", "1.0000001", "1e3", "0", "-1", "9223372036854.775808", 1, None]
WRONG: list[tuple[str, Any, str]] = [
    *(("refunds", {"reservation_id": "j", "reason": "r", "credits": amount}, "credits") for amount in AMOUNTS),
    *(("transfers", {"to_account_id": "b", "credits": amount}, "credits") for amount in AMOUNTS),
    *(("grants", {"source": "plan", "credits": amount}, "credits") for amount in AMOUNTS),
    *(("adjustments", {"reason": "r", "credits": a}, "credits") for a in ("0", "-0", "--1", "+1", "- 1", 1.5)),
    *(("credit-limit", {"credit_limit": limit}, "credit_limit") for limit in ("-1", "", 5, None)),
    ("adjustments", {"credits": "1"}, "reason"),
    ("adjustments", {"credits": "1", "reason": ""}, "reason"),
    ("adjustments", {"credits": "1", "reason": "x" * 129}, "reason"),
    ("close", {}, "reason"),
    ("close", {"reason": "r", "disposal": "keep"}, "disposal"),
    ("close", {"reason": "r", "why": "r"}, "why"),
    ("freeze", {"reason": 1}, "reason"),
    ("transfers", {"to_account_id": "B", "credits": "1"}, "to_account_id"),
    ("refunds", {"reservation_id": "a b", "credits": "1", "reason": "r"}, "reservation_id"),
    ("grants", {"credits": "1", "source": "plan", "effective_at": "2031-01-01T00:00:00"}, "effective_at"),
    ("grants", {"credits": "1", "source": "plan", "expires_at": "9999-12-31T23:59:59-01:00"}, "expires_at"),
    ("grants", {"credits": "1", "source": "transfer"}, "source"),
]


@pytest.mark.parametrize(("path", "body", "field"), WRONG)
async def test_a_bad_member_is_named(
    ledger: ScriptedLedger, http: httpx.AsyncClient, path: str, body: Any, field: str
) -> None:
    """What is wrong with a body is found before anything is sent, and told with the member's name."""
    answer = await http.post(f"{ACME}/{path}", json=body, headers=KEYED)
    assert problem(answer) == (400, "REQUEST_INVALID")
    assert answer.json()["field"] == field
    assert answer.json()["detail"].startswith(f"{field}: ")
    assert ledger.asked == []


async def test_what_the_ledger_finds_wrong_has_the_callers_name(
    ledger: ScriptedLedger, http: httpx.AsyncClient
) -> None:
    """A field of the ledger's is told by the name it has over HTTP."""
    ledger.answers["transfer_credits"] = invalid("amount_micros", "too much")
    answer = await http.post(f"{ACME}/transfers", json={"to_account_id": "b", "credits": "1"}, headers=KEYED)
    assert problem(answer) == (400, "REQUEST_INVALID")
    assert (answer.json()["field"], answer.json()["detail"]) == ("credits", "credits: too much")


@pytest.mark.parametrize("path", sorted({path for path, *_ in COMMANDS} | {"grants"}))
async def test_what_moves_money_needs_a_key(ledger: ScriptedLedger, http: httpx.AsyncClient, path: str) -> None:
    """Without an Idempotency-Key it is refused; freezing, which moves none, is not."""
    answer = await http.post(f"{ACME}/{path}", json={}, headers=ADMIN)
    if path in ("freeze", "unfreeze"):
        assert answer.status_code == 200
        assert ledger.of(ledger_pb2.UpdateAccountRequest).request_id
    else:
        assert problem(answer) == (400, "IDEMPOTENCY_KEY_REQUIRED")
        assert ledger.asked == []


@pytest.mark.parametrize(
    ("reason", "fields", "status", "members"),
    [
        ("ACCOUNT_NOT_EMPTY", {"available_micros": 1, "owed_micros": 0}, 409, {"available": "0.000001", "owed": "0"}),
        ("REFUND_EXCEEDS_CAPTURED", {"captured_micros": 5, "refunded_micros": 2}, 409, {"captured": "0.000005"}),
        ("GRANT_ENDED", {"state": "VOIDED"}, 409, {"state": "VOIDED"}),
        ("GRANT_NOT_FOUND", {}, 404, {}),
        ("CREDIT_LIMIT_BELOW_USED", {"used_micros": 7}, 409, {"used": "0.000007"}),
        ("TOO_MANY_GRANTS", {"grants": "10000"}, 409, {"grants": "10000"}),
    ],
)
async def test_a_refusal_of_the_ledger_names_its_numbers(
    ledger: ScriptedLedger,
    http: httpx.AsyncClient,
    reason: str,
    fields: dict[str, Any],
    status: int,
    members: dict[str, Any],
) -> None:
    """Each reason has its status, and its amounts are credits."""
    ledger.answers["void_grant"] = Refusal(reason, "no", fields)
    answer = await http.post(f"{ACME}/grants/g/void", headers=KEYED)
    assert problem(answer) == (status, reason)
    assert members.items() <= answer.json().items()


async def test_only_operators_command(ledger: ScriptedLedger, http: httpx.AsyncClient) -> None:
    """A user's key is refused before anything is asked."""
    for path, *_ in COMMANDS:
        answer = await http.post(f"{ACME}/{path}", json={}, headers={"Authorization": f"Bearer {USER_KEY}"})
        assert problem(answer) == (403, "FORBIDDEN")
    assert ledger.asked == []
