"""An account's credits through the running system: refunded, adjusted, moved, withdrawn, and all of it explained."""

from decimal import Decimal
from typing import Any

from tests.gateway.conftest import Account, System, problem


async def command(system: System, account: Account, what: str, body: Any = None, key: str = "k") -> Any:
    """The answer to a command that is done."""
    path = f"/v1/admin/accounts/{account.account_id}/{what}"
    answer = await system.client.post(path, json=body, headers=system.admin | {"Idempotency-Key": key})
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


async def kinds(system: System, account: Account, query: str = "") -> list[str]:
    """The kinds of an account's entries, oldest first."""
    answer = await system.client.get(f"/v1/account/statement{query}", headers=account.headers)
    assert answer.status_code == 200, answer.text
    return [entry["kind"] for entry in reversed(answer.json()["entries"])]


async def test_what_a_job_cost_is_refunded_in_parts(system: System) -> None:
    """Up to what it cost and no further; the job's reservation and the statement tell it, with the job's tool."""
    account = await system.account("1")
    job = (await system.execute(account, {"message": "x"})).json()["job_id"]
    body = {"reservation_id": job, "credits": "0.004", "reason": "slow"}
    first = await command(system, account, "refunds", body, "r1")
    assert (first["credits"], first["refunded"]) == ("0.004", "0.004")
    assert await command(system, account, "refunds", body, "r1") == first
    rest = await command(system, account, "refunds", body | {"credits": "0.006"}, "r2")
    assert rest["refunded"] == "0.01"
    path = f"/v1/admin/accounts/{account.account_id}/refunds"
    more = await system.client.post(path, json=body, headers=system.admin | {"Idempotency-Key": "r3"})
    assert problem(more) == (409, "REFUND_EXCEEDS_CAPTURED")
    assert more.json()["detail"] == "refunding 0.004 credits; 0.01 were captured, 0.01 of them refunded"
    assert (await system.credits(account))["available"] == "1"
    held = (await system.client.get("/v1/account/reservations?state=CAPTURED", headers=account.headers)).json()
    assert [(one["job_id"], one["refunded"]) for one in held["reservations"]] == [(job, "0.01")]
    entries = (await system.client.get("/v1/account/statement?kind=refunded", headers=account.headers)).json()
    assert [(one["tool"], one["reason"]) for one in entries["entries"]] == [("echo", "slow")] * 2


async def test_a_balance_can_be_asked_for_as_it_was(system: System) -> None:
    """At each entry's position the balance is what that entry says it left."""
    account = await system.account("5")
    await system.execute(account, {"message": "x"})
    await command(system, account, "adjustments", {"credits": "-1.5", "reason": "r"})
    entries = (await system.client.get("/v1/account/statement", headers=account.headers)).json()["entries"]
    for entry in entries:
        then = await system.client.get(f"/v1/account?position={entry['position']}", headers=account.headers)
        found = then.json()
        assert found["as_of_position"] == entry["position"]
        assert found["credits"]["available"] == entry["available_after"]
        assert found["credits"]["reserved"] == entry["reserved_after"]


async def test_credits_move_from_account_to_account(system: System) -> None:
    """What leaves one arrives at the other, wherever they are; the same key tells how it ended."""
    source, target = await system.account("10"), await system.account(None)
    body = {"to_account_id": target.account_id, "credits": "4"}
    sent = await command(system, source, "transfers", body)
    again = await command(system, source, "transfers", body)
    assert (again["transfer_id"], again["state"]) == (sent["transfer_id"], "COMPLETED")
    assert (await system.credits(source))["available"] == "6"
    assert (await system.credits(target))["available"] == "4"
    assert (await kinds(system, source))[-2:] == ["transfer_sent", "transfer_completed"]
    assert await kinds(system, target) == ["opened", "granted"]


async def test_an_account_is_frozen_emptied_and_closed(system: System) -> None:
    """Frozen it reserves nothing, closed it takes nothing; what it had is withdrawn, and its grants say so."""
    account = await system.account("3")
    assert (await command(system, account, "freeze"))["state"] == "FROZEN"
    assert problem(await system.execute(account, {"message": "x"})) == (403, "ACCOUNT_FROZEN")
    assert (await command(system, account, "unfreeze", key="k2"))["state"] == "ACTIVE"
    later = {"credits": "7", "source": "plan", "effective_at": "2031-01-01T00:00:00Z"}
    grant = await command(system, account, "grants", later, "g")
    assert (grant["state"], grant["available"]) == ("SCHEDULED", "0")
    voided = await command(system, account, f"grants/{grant['grant_id']}/void", {"reason": "r"}, "v")
    assert (voided["grant"]["state"], voided["credits"]) == ("VOIDED", "0")
    path = f"/v1/admin/accounts/{account.account_id}/close"
    keyed = system.admin | {"Idempotency-Key": "c"}
    refused = await system.client.post(path, json={"reason": "r"}, headers=keyed)
    assert problem(refused) == (409, "ACCOUNT_NOT_EMPTY")
    closed = await command(system, account, "close", {"reason": "r", "disposal": "void"}, "c2")
    assert (closed["state"], closed["credits"]["available"], closed["credits"]["voided"]) == ("CLOSED", "0", "3")
    found = (await system.client.get("/v1/account/grants", headers=account.headers)).json()["grants"]
    assert [one["state"] for one in found] == ["VOIDED", "VOIDED"]
    assert await kinds(system, account) == [
        *("opened", "granted", "frozen", "unfrozen"),
        *("granted", "grant_voided", "closed"),
    ]


async def test_a_grant_that_has_lapsed_already_is_refused(system: System) -> None:
    """Its `expires_at` is named."""
    account = await system.account(None)
    body = {"credits": "1", "source": "plan", "expires_at": "2020-01-01T00:00:00Z"}
    path = f"/v1/admin/accounts/{account.account_id}/grants"
    answer = await system.client.post(path, json=body, headers=system.admin | {"Idempotency-Key": "g"})
    assert problem(answer) == (400, "REQUEST_INVALID")
    assert answer.json()["field"] == "expires_at"


async def test_an_account_may_pay_later(system: System) -> None:
    """Under a credit limit work goes on below zero, and the next grant repays it."""
    account = await system.account(None)
    assert problem(await system.execute(account, {"message": "x"})) == (402, "INSUFFICIENT_CREDITS")
    assert (await command(system, account, "credit-limit", {"credit_limit": "1"}))["credit_limit"] == "1"
    assert (await system.execute(account, {"message": "x"})).status_code == 200
    shown = (await system.client.get("/v1/account", headers=account.headers)).json()
    assert (shown["credits"]["available"], shown["owed"]) == ("-0.01", "0.01")
    await command(system, account, "adjustments", {"credits": "1", "reason": "paid"}, "a")
    shown = (await system.client.get("/v1/account", headers=account.headers)).json()
    assert (shown["credits"]["available"], shown["owed"]) == ("0.99", "0")


async def test_a_refusal_is_explained_later(system: System) -> None:
    """By its request id, with the balance it was decided on, whatever came after."""
    account = await system.account("1")
    path = f"/v1/admin/accounts/{account.account_id}"
    keyed = system.admin | {"Idempotency-Key": "too-much"}
    refused = await system.client.post(f"{path}/adjustments", json={"credits": "-2", "reason": "r"}, headers=keyed)
    assert problem(refused) == (402, "INSUFFICIENT_CREDITS")
    await command(system, account, "adjustments", {"credits": "5", "reason": "r"})
    told = (await system.client.get(f"{path}/explain?request_id=too-much", headers=system.admin)).json()
    assert "2 credits were required, 1 were available and 0 reserved; 1 were lacking" in told["summary"]
    assert (told["credits"]["available"], [one["kind"] for one in told["entries"]]) == ("1", ["refused"])
    now = (await system.client.get(f"{path}/explain", headers=system.admin)).json()
    assert (now["credits"]["available"], now["entries"][0]["kind"]) == ("6", "granted")


async def test_all_books_together_are_zero(system: System) -> None:
    """Whatever the other tests are doing meanwhile, and whichever shards it touches."""
    await system.account("12.345678")
    totals = (await system.client.get("/v1/admin/ledger/totals", headers=system.admin)).json()
    assert len(totals.pop("positions")) == 16
    assert sum(map(Decimal, totals.values())) == 0
    assert Decimal(totals["issuance"]) < 0
