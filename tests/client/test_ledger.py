"""The client and a real ledger."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from scrip.ledger.v1 import events_pb2, ledger_pb2

from scrip_client import LedgerClient, LedgerRefusal
from services.runtime import ids
from tests.client.requests import reserve
from tests.harness.processes import Services

TASKS = 256
PAIRS = 4
AMOUNT = 10
PRICE = 7
# Of the thousand pairs that are wanted, each account can pay for so many at once.
GRANTED = TASKS * PAIRS // 2 * PRICE


@pytest.fixture
async def client(services: Services) -> AsyncIterator[LedgerClient]:
    await services.start("ledger")
    async with LedgerClient(services.address("ledger"), services.token) as client:
        yield client


async def credits(client: LedgerClient, account_id: str) -> ledger_pb2.Credits:
    return (await client.get_balance(ledger_pb2.GetBalanceRequest(account_id=account_id))).credits


async def test_the_books_add_up(client: LedgerClient) -> None:
    """256 tasks on two accounts: each pair is paid once or refused, nobody overspends, nothing stays reserved."""
    accounts = ["acme", "demo"]
    for account_id in accounts:
        # Not awaited one by one: an account's commands are decided in the order in which they were given.
        opened = client.open_account(ledger_pb2.OpenAccountRequest(request_id=ids.uuid7(), account_id=account_id))
        granted = client.grant(
            ledger_pb2.GrantCreditsRequest(
                request_id=ids.uuid7(),
                account_id=account_id,
                amount_micros=GRANTED,
                source=events_pb2.GRANT_SOURCE_PROMOTION,
            )
        )
        await asyncio.gather(opened, granted)
    paid = dict.fromkeys(accounts, 0)

    async def spend(number: int) -> None:
        account_id = accounts[number % 2]
        for pair in range(PAIRS):
            name = f"{number}-{pair}"
            try:
                await client.reserve(reserve(name, account_id, amount_micros=AMOUNT), timeout=20)
            except LedgerRefusal as refusal:
                assert refusal.reason == "INSUFFICIENT_CREDITS"
                assert int(refusal.metadata["available_micros"]) < AMOUNT
                continue
            captured = await client.capture(
                ledger_pb2.CaptureReservationRequest(
                    request_id=f"capture-{name}",
                    account_id=account_id,
                    reservation_id=name,
                    captured_total_micros=PRICE,
                    final=True,
                ),
                timeout=20,
            )
            assert captured.reservation.captured_micros == PRICE
            paid[account_id] += PRICE

    await asyncio.gather(*(spend(number) for number in range(TASKS)))
    for account_id in accounts:
        found = await credits(client, account_id)
        assert (found.granted_micros, found.spent_micros, found.reserved_micros) == (GRANTED, paid[account_id], 0)
        assert found.available_micros == GRANTED - paid[account_id] >= 0
        assert paid[account_id] > 0


async def test_a_list_is_decided_in_order(client: LedgerClient) -> None:
    """Open, grant, spend, in one list; said again, every command answers as it did."""
    commands = [
        ledger_pb2.Command(open_account=ledger_pb2.OpenAccountRequest(request_id="open", account_id="acme")),
        ledger_pb2.Command(
            grant_credits=ledger_pb2.GrantCreditsRequest(
                request_id="grant",
                account_id="acme",
                amount_micros=100,
                source=events_pb2.GRANT_SOURCE_PROMOTION,
            )
        ),
        *(
            ledger_pb2.Command(reserve_credits=reserve(f"r{number}", amount_micros=10, subject={"tool": "echo"}))
            for number in range(11)
        ),
    ]
    first = await client.execute_many(commands)
    kinds = [result.WhichOneof("result") for result in first]
    assert kinds == ["open_account", "grant_credits", *["reserve_credits"] * 10, "error"]
    assert first[-1].error.reason == "INSUFFICIENT_CREDITS"
    again = await client.execute_many(commands)
    assert [result.WhichOneof("result") for result in again] == kinds
    assert all(result.reserve_credits.replayed for result in again[2:-1])
    assert (await credits(client, "acme")).reserved_micros == 100


async def test_a_killed_ledger_is_waited_for(client: LedgerClient, services: Services) -> None:
    """Commands given while it is away are answered by its successor."""
    await client.open_account(ledger_pb2.OpenAccountRequest(request_id="open", account_id="acme"))
    services.kill("ledger")
    results = client.execute_many(
        [ledger_pb2.Command(reserve_credits=reserve("r", amount_micros=0))], timeout=60, attempts=100_000
    )
    answered, _ = await asyncio.gather(results, services.restart("ledger"))
    assert answered[0].reserve_credits.reservation.state == ledger_pb2.Reservation.STATE_OPEN
