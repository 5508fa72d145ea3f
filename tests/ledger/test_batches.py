"""How commands of one call stand to each other."""

from typing import Any

import pytest
from scrip.ledger.v1 import events_pb2, ledger_pb2

from services.runtime import ids
from services.runtime.errors import Refusal
from tests.ledger.client import LedgerClient

UNKNOWN = 99


def commands_of(account: str, *commands: tuple[str, dict[str, Any]]) -> list[Any]:
    """Elements of a batch: (field, fields of the command)."""
    built = []
    for kind, fields in commands:
        element = ledger_pb2.Command()
        target = getattr(element, kind)
        target.MergeFrom(type(target)(**({"account_id": account, "request_id": ids.uuid7()} | fields)))
        built.append(element)
    return built


RESERVE = {"reservation_id": "r", "amount_micros": 30, "ttl": {"seconds": 60}}
CAPTURE = {"reservation_id": "r", "captured_total_micros": 30, "final": True}


async def test_a_batch_holds_every_command_and_answers_each_by_itself(ledger: LedgerClient, account: str) -> None:
    """All eleven kinds in one call, in order; what is malformed or refused touches nothing else."""
    other = f"b-{ids.uuid7()}"
    await ledger.open(other)
    grant_id = (await ledger.grant(account, 10)).grant.grant_id
    batch = commands_of(
        account,
        ("open_account", {}),
        ("grant_credits", {"amount_micros": 5, "source": events_pb2.GRANT_SOURCE_PLAN}),
        ("reserve_credits", RESERVE),
        ("extend_reservation", {"reservation_id": "r", "ttl": {"seconds": 3_600}}),
        ("capture_reservation", {"reservation_id": "r", "captured_total_micros": 20}),
        ("transfer_credits", {"to_account_id": other, "amount_micros": 7}),
        ("release_reservation", {"reservation_id": "r"}),
        ("refund_capture", {"reservation_id": "r", "amount_micros": 3}),
        ("adjust_balance", {"amount_micros": -1, "reason": "test"}),
        ("void_grant", {"grant_id": grant_id}),
        ("update_account", {"state": ledger_pb2.Account.STATE_FROZEN}),
        ("transfer_credits", {"to_account_id": other, "amount_micros": 7}),
        ("release_reservation", {"account_id": "nobody", "reservation_id": "r"}),
        ("reserve_credits", {}),
    )
    batch.append(ledger_pb2.Command())
    results = (await ledger.ask("BatchExecute", commands=batch)).results
    assert [result.WhichOneof("result") for result in results[:11]] == [c.WhichOneof("command") for c in batch[:11]]
    assert [result.error.reason for result in results[11:]] == [
        "ACCOUNT_FROZEN",
        "ACCOUNT_NOT_FOUND",
        "REQUEST_INVALID",
        "REQUEST_INVALID",
    ]
    assert results[13].error.metadata["field"] == "reservation_id"
    assert results[5].transfer_credits.transfer.state == ledger_pb2.Transfer.STATE_COMPLETED
    assert results[7].refund_capture.refunded_total_micros == 3
    assert results[9].void_grant.voided_micros > 0
    assert (await ledger.balance(other)).available_micros == 7


async def test_an_atomic_batch_is_done_whole_or_not_at_all(ledger: LedgerClient, account: str) -> None:
    """One refusal undoes all; the others say that it did, and a second try of those is no replay."""
    batch = commands_of(
        account,
        ("reserve_credits", RESERVE),
        ("capture_reservation", CAPTURE),
        ("reserve_credits", RESERVE | {"reservation_id": "r2", "amount_micros": 71}),
    )
    mode = ledger_pb2.BatchExecuteRequest.MODE_ATOMIC
    results = (await ledger.ask("BatchExecute", commands=batch, mode=mode)).results
    assert [result.error.reason for result in results] == ["BATCH_REFUSED", "BATCH_REFUSED", "INSUFFICIENT_CREDITS"]
    assert results[0].error.metadata["index"] == "2"
    assert (await ledger.balance(account)).spent_micros == 0
    results = (await ledger.ask("BatchExecute", commands=batch[:2], mode=mode)).results
    assert [result.WhichOneof("result") for result in results] == ["reserve_credits", "capture_reservation"]
    assert not results[0].reserve_credits.replayed
    assert (await ledger.balance(account)).spent_micros == 30


async def test_a_malformed_command_undoes_an_atomic_batch(ledger: LedgerClient, account: str) -> None:
    """It says what is wrong with it, the others that it was in the way."""
    batch = commands_of(account, ("reserve_credits", RESERVE), ("reserve_credits", RESERVE | {"amount_micros": -1}))
    mode = ledger_pb2.BatchExecuteRequest.MODE_ATOMIC
    results = (await ledger.ask("BatchExecute", commands=batch, mode=mode)).results
    assert [result.error.reason for result in results] == ["BATCH_REFUSED", "REQUEST_INVALID"]
    assert (await ledger.balance(account)).reserved_micros == 0


async def test_a_batch_has_its_limits(ledger: LedgerClient, account: str) -> None:
    """Of commands, of accounts, of what may be atomic."""
    one = commands_of(account, ("reserve_credits", RESERVE))
    other = commands_of("other", ("reserve_credits", RESERVE))
    transfer = commands_of(account, ("transfer_credits", {"to_account_id": "other", "amount_micros": 1}))
    atomic = ledger_pb2.BatchExecuteRequest.MODE_ATOMIC
    for commands, mode, field in (
        ([], 0, "commands"),
        (one * 8_001, 0, "commands"),
        (one * 1_001, atomic, "commands"),
        (one + other, atomic, "commands"),
        (one + transfer, atomic, "commands"),
        (one, UNKNOWN, "mode"),
    ):
        with pytest.raises(Refusal) as refused:
            await ledger.ask("BatchExecute", commands=commands, mode=mode)
        assert (refused.value.reason, refused.value.metadata["field"]) == ("REQUEST_INVALID", field)
    assert (await ledger.balance(account)).reserved_micros == 0


async def test_a_full_batch_is_answered(ledger: LedgerClient, account: str) -> None:
    """Eight thousand commands in one call: four thousand reservations, each captured."""
    await ledger.grant(account, 1_000_000)
    batch = commands_of(
        account,
        *(
            command
            for number in range(4_000)
            for command in (
                ("reserve_credits", RESERVE | {"reservation_id": f"r{number}"}),
                ("capture_reservation", CAPTURE | {"reservation_id": f"r{number}"}),
            )
        ),
    )
    results = (await ledger.ask("BatchExecute", commands=batch)).results
    assert {result.WhichOneof("result") for result in results} == {"reserve_credits", "capture_reservation"}
    assert (await ledger.balance(account)).spent_micros == 4_000 * 30
