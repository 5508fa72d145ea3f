"""The ledger under kills of itself and of its database sessions."""

import asyncio
from collections import Counter

from scrip.ledger.v1 import events_pb2

from services.runtime.errors import Refusal
from tests.harness.processes import Services
from tests.harness.waiting import eventually
from tests.ledger.client import LedgerClient

CALLERS = 8
PAIRS_EACH = 25
ACCOUNTS = 3
GRANT = 60


class Caller:
    """Reserves 1 and captures it, again and again, each step until it has an answer; remembers what was answered."""

    def __init__(self, ledger: LedgerClient, number: int) -> None:
        self._ledger = ledger
        self._number = number
        self.captured: list[str] = []
        self.refused: list[str] = []

    async def work(self) -> None:
        """All pairs of this caller."""
        for turn in range(PAIRS_EACH):
            account_id = f"account-{turn % ACCOUNTS}"
            reservation_id = f"r-{self._number}-{turn}"
            try:
                await self._until_answered("reserve", account_id, reservation_id)
            except Refusal as refusal:
                assert refusal.reason == "INSUFFICIENT_CREDITS"
                self.refused.append(reservation_id)
                continue
            await self._until_answered("capture", account_id, reservation_id)
            self.captured.append(reservation_id)

    async def _until_answered(self, what: str, account_id: str, reservation_id: str) -> None:
        call = self._ledger.reserve if what == "reserve" else self._ledger.capture
        for _ in range(50):
            try:
                await call(account_id, reservation_id, 1, request_id=f"{what}-{reservation_id}")
                return
            except Refusal as refusal:
                if refusal.reason != "UPSTREAM_UNAVAILABLE":
                    raise
        raise AssertionError(f"{what} {reservation_id} was never answered")


async def test_nothing_is_lost_or_doubled_by_kills(services: Services) -> None:
    """Callers retry through kills of the ledger and of its sessions: what was answered is in the log, once."""
    await services.start("ledger")
    ledger = LedgerClient(services)
    for number in range(ACCOUNTS):
        await ledger.open(f"account-{number}")
        await ledger.grant(f"account-{number}", GRANT)
    callers = [Caller(ledger, number) for number in range(CALLERS)]

    async def trouble() -> None:
        for turn in range(4):
            seen = sum(len(caller.captured) for caller in callers)
            target = min(seen + 12, CALLERS * PAIRS_EACH // 2)
            await eventually(lambda least=target: sum(len(caller.captured) for caller in callers) >= least, 60)
            if turn % 2 == 0:
                services.kill("ledger")
                await services.restart("ledger")
            else:
                services.disconnect("ledger")

    await asyncio.gather(trouble(), *(caller.work() for caller in callers))
    await check_books(ledger, callers)


async def check_books(ledger: LedgerClient, callers: list[Caller]) -> None:
    """Every answer stands in the log exactly once, and every balance adds up."""
    kinds: dict[str, Counter[int]] = {}
    positions: dict[int, int] = {}
    for batch in await ledger.events():
        assert batch.first_position == positions.get(batch.shard, 1), "positions have no gap"
        positions[batch.shard] = batch.first_position + len(batch.events)
        for event in batch.events:
            assert event.available_after_micros >= 0
            if event.reservation_id:
                kinds.setdefault(event.reservation_id, Counter())[event.kind] += 1
    captured = [reservation for caller in callers for reservation in caller.captured]
    refused = [reservation for caller in callers for reservation in caller.refused]
    assert len(captured) + len(refused) == CALLERS * PAIRS_EACH
    assert len(captured) == ACCOUNTS * GRANT
    for reservation in captured:
        assert kinds[reservation] == {
            events_pb2.EVENT_KIND_CREDITS_RESERVED: 1,
            events_pb2.EVENT_KIND_RESERVATION_CAPTURED: 1,
        }
    for reservation in refused:
        assert kinds[reservation] == {events_pb2.EVENT_KIND_REQUEST_REFUSED: 1}
    for number in range(ACCOUNTS):
        credits = await ledger.balance(f"account-{number}")
        assert (credits.granted_micros, credits.spent_micros) == (GRANT, GRANT)
        assert (credits.available_micros, credits.reserved_micros) == (0, 0)
