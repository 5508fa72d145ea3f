"""What the door refuses, and what it answers a second time."""

from typing import Any

import pytest
from scrip.ledger.v1 import ledger_pb2

from services.ledger.domain import errors as domain_errors
from services.runtime import ids
from services.runtime.errors import REASONS, Refusal
from tests.ledger.bad_requests import COMMANDS, GOOD, INT64_MAX, MALFORMED, PAST, REFUSED
from tests.ledger.client import LedgerClient, ahead


async def refusal(ledger: LedgerClient, account: str, method: str, fields: dict[str, Any]) -> Refusal:
    """How a method refuses what would do but for some fields."""
    good = {"account_id": account} | GOOD[method] | ({"request_id": "q"} if method in COMMANDS else {})
    with pytest.raises(Refusal) as refused:
        await ledger.ask(method, **(good | fields))
    return refused.value


async def test_what_is_malformed_names_its_field(ledger: LedgerClient) -> None:
    """Each row is REQUEST_INVALID with its field, and no other."""
    wrong = []
    for method, what, fields, field in MALFORMED:
        found = await refusal(ledger, "demo", method, fields)
        told = (found.reason, found.metadata.get("field"), [violation.field for violation in found.violations])
        if told != ("REQUEST_INVALID", field, [field]):
            wrong.append((method, what, told))
    assert wrong == []


async def test_malformed_commands_change_nothing(ledger: LedgerClient, account: str) -> None:
    """Not even the request id is used up."""
    with pytest.raises(Refusal):
        await ledger.reserve(account, "r", -1, request_id="q")
    assert not (await ledger.reserve(account, "r", 1, request_id="q")).replayed
    with pytest.raises(Refusal) as late:
        await ledger.reserve(account, "late", 1, not_after=PAST)
    assert late.value.reason == "REQUEST_EXPIRED"
    assert (await ledger.balance(account)).reserved_micros == 1


async def test_the_largest_amounts_do_no_harm(ledger: LedgerClient) -> None:
    """Grants and a credit limit at the edge of what fits: sums fit too, and one more is refused."""
    most = (1 << 62) - 1
    account = f"rich-{ids.uuid7()}"
    await ledger.open(account, credit_limit_micros=most)
    await ledger.grant(account, most)
    with pytest.raises(Refusal) as refused:
        await ledger.grant(account, 2)
    assert (refused.value.reason, refused.value.metadata) == ("REQUEST_INVALID", {"limit_micros": str(INT64_MAX)})
    await ledger.reserve(account, "r1", most)
    await ledger.reserve(account, "r2", most)
    credits = await ledger.balance(account)
    assert (credits.available_micros, credits.reserved_micros) == (-most, 2 * most)
    await ledger.capture(account, "r1", most)
    await ledger.capture(account, "r2", most)
    assert (await ledger.balance(account)).spent_micros == 2 * most


async def test_a_refusal_has_its_reason(ledger: LedgerClient, account: str) -> None:
    """One row a refusal: reason and HTTP status."""
    wrong = []
    for method, what, fields, reason, status in REFUSED:
        found = await refusal(
            ledger, account, method, {"request_id": ids.uuid7()} | fields if method in COMMANDS else fields
        )
        if (found.reason, found.http_status) != (reason, status):
            wrong.append((method, what, found))
    assert wrong == []


def test_every_refusal_of_the_domain_has_a_code() -> None:
    """The table of reasons knows each; a new one cannot be forgotten."""
    found = domain_errors.CommandRefusedError.__subclasses__()
    assert len(found) > 20
    assert [error.__name__ for error in found if error.reason not in REASONS] == []


async def test_what_has_ended_is_told_apart(ledger: LedgerClient, account: str) -> None:
    """A reservation that was captured, one too small, a grant that was voided, an account that is closed."""
    await ledger.reserve(account, "r", 10)
    with pytest.raises(Refusal) as exceeded:
        await ledger.capture(account, "r", 11)
    assert exceeded.value.reason == "CAPTURE_EXCEEDS_RESERVED"
    await ledger.capture(account, "r", 10)
    with pytest.raises(Refusal) as ended:
        await ledger.release(account, "r")
    assert (ended.value.reason, ended.value.metadata["state"]) == ("RESERVATION_ENDED", "CAPTURED")
    grant_id = (await ledger.grant(account, 5)).grant.grant_id
    voided = await ledger.command("VoidGrant", account, grant_id=grant_id, reason="mistake")
    assert (voided.voided_micros, voided.grant.state) == (5, ledger_pb2.Grant.STATE_VOIDED)
    with pytest.raises(Refusal) as gone:
        await ledger.command("VoidGrant", account, grant_id=grant_id)
    assert gone.value.reason in ("GRANT_ENDED", "GRANT_NOT_FOUND")
    closing = {"state": ledger_pb2.Account.STATE_CLOSED, "disposal": ledger_pb2.UpdateAccountRequest.DISPOSAL_VOID}
    await ledger.command("UpdateAccount", account, **closing)
    with pytest.raises(Refusal) as closed:
        await ledger.grant(account, 1)
    assert closed.value.reason == "ACCOUNT_CLOSED"


# ---- the same command again


async def test_every_command_said_again_answers_as_it_did(ledger: LedgerClient, account: str) -> None:
    """The second answer is the first, says that it is, and nothing happened twice."""
    other = f"b-{ids.uuid7()}"
    await ledger.open(other)
    grant_id = (await ledger.grant(account, 10)).grant.grant_id
    script: list[tuple[str, dict[str, Any]]] = [
        ("OpenAccount", {}),
        ("GrantCredits", GOOD["GrantCredits"] | {"paid": {"amount_micros": 5, "currency": "EUR"}}),
        ("VoidGrant", {"grant_id": grant_id}),
        ("ReserveCredits", GOOD["ReserveCredits"] | {"amount_micros": 50}),
        ("ExtendReservation", {"reservation_id": "r", "ttl": {"seconds": 3_600}}),
        ("CaptureReservation", {"reservation_id": "r", "captured_total_micros": 10}),
        ("ReleaseReservation", {"reservation_id": "r"}),
        ("RefundCapture", {"reservation_id": "r", "amount_micros": 3}),
        ("AdjustBalance", {"amount_micros": 4, "reason": "up"}),
        ("AdjustBalance", {"amount_micros": -4, "reason": "down"}),
        ("TransferCredits", {"to_account_id": other, "amount_micros": 6}),
        ("UpdateAccount", {"credit_limit_micros": 9}),
        ("UpdateAccount", {"state": ledger_pb2.Account.STATE_FROZEN}),
    ]
    for method, fields in script:
        request_id = ids.uuid7()
        first = await ledger.command(method, account, request_id=request_id, **fields)
        balance = await ledger.balance(account)
        again = await ledger.command(method, account, request_id=request_id, **fields)
        assert again.replayed, method
        assert first.replayed == (method == "OpenAccount")
        # Where a present state is the answer, it is at no event of this call.
        assert again.position in ("", first.position)
        for answer in (first, again):
            answer.ClearField("replayed")
            answer.ClearField("position")
        assert again == first, method
        assert await ledger.balance(account) == balance, method


async def test_a_request_id_stands_for_one_command(ledger: LedgerClient, account: str) -> None:
    """With other content it is refused, and a refusal for lack of credits stays what it was."""
    await ledger.grant(account, 7, request_id="g")
    with pytest.raises(Refusal) as reused:
        await ledger.grant(account, 8, request_id="g")
    assert (reused.value.reason, reused.value.http_status) == ("REQUEST_ID_REUSED", 422)
    with pytest.raises(Refusal) as refused:
        await ledger.reserve(account, "big", 1_000, request_id="r")
    await ledger.grant(account, 10_000)
    with pytest.raises(Refusal) as replayed:
        await ledger.reserve(account, "big", 1_000, request_id="r")
    assert replayed.value.metadata == refused.value.metadata
    assert replayed.value.metadata == {"required_micros": "1000", "available_micros": "107", "reserved_micros": "0"}


async def test_what_a_command_is_about_is_no_part_of_it(ledger: LedgerClient, account: str) -> None:
    """A retry may carry another trace, reference, ttl and not_after."""
    await ledger.reserve(account, "r", 5, request_id="q", subject={"reference": "one", "trace_id": "0" * 31 + "1"})
    again = await ledger.reserve(account, "r", 5, 900, request_id="q", subject={"reference": "two"}, not_after=ahead(9))
    assert again.replayed
