"""Reserves of concurrent requests."""

import asyncio
import contextlib
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from scrip.ledger.v1 import ledger_pb2

from services.gateway import ledger_batcher
from services.gateway.ledger_batcher import LedgerBatcher, Reserved
from services.runtime.errors import REASONS, Refusal, unavailable
from tests.gateway.doubles import LedgerDouble


class GatedLedger(LedgerDouble):
    """A ledger whose calls wait for a gate, and whose commands can be made to fail one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.called = asyncio.Event()
        self.errors: dict[str, list[str]] = {}

    async def ReserveCredits(self, request: Any) -> Any:  # noqa: N802
        self.called.set()
        await self.gate.wait()
        return await super().ReserveCredits(request)

    async def BatchExecute(self, request: Any) -> Any:  # noqa: N802
        response = await super().BatchExecute(request)
        for command, result in zip(request.commands, response.results, strict=True):
            waiting = self.errors.get(command.reserve_credits.reservation_id)
            if waiting:
                reason = waiting.pop(0)
                error = ledger_pb2.CommandError(
                    code=REASONS[reason].code.value[0], reason=reason, message="no", metadata={"required_micros": "5"}
                )
                result.error.CopyFrom(error)
        return response


def reserve(batcher: LedgerBatcher, name: str, timeout: float = 5) -> asyncio.Task[Reserved]:
    request = ledger_pb2.ReserveCreditsRequest(request_id=name, reservation_id=name, ttl=Duration(seconds=60))
    return asyncio.create_task(batcher.reserve(request, timeout))


@pytest.fixture
def ledger() -> GatedLedger:
    return GatedLedger()


@pytest.fixture
def batcher(ledger: Any) -> LedgerBatcher:
    return LedgerBatcher(ledger)


async def test_what_arrives_during_a_call_leaves_together(ledger: GatedLedger, batcher: LedgerBatcher) -> None:
    """Alone a reserve goes as itself; those that arrive meanwhile go in one batch, each with its own answer."""
    first = reserve(batcher, "first")
    await ledger.called.wait()
    others = [reserve(batcher, f"r{n}") for n in range(5)]
    await asyncio.sleep(0)
    ledger.gate.set()
    assert (await first).response.reservation.reservation_id == "first"
    names = [(await other).response.reservation.reservation_id for other in others]
    assert names == [f"r{n}" for n in range(5)]
    assert (ledger.calls, ledger.sizes) == (["ReserveCredits", "BatchExecute"], [5])


async def test_each_command_stands_or_falls_by_itself(ledger: GatedLedger, batcher: LedgerBatcher) -> None:
    """One refused command of a batch is refused to its own caller only, with its numbers."""
    ledger.errors["poor"] = ["INSUFFICIENT_CREDITS"]
    first = reserve(batcher, "first")
    await ledger.called.wait()
    poor, rich = reserve(batcher, "poor"), reserve(batcher, "rich")
    await asyncio.sleep(0)
    ledger.gate.set()
    await first
    with pytest.raises(Refusal) as refused:
        await poor
    assert (refused.value.reason, refused.value.metadata) == ("INSUFFICIENT_CREDITS", {"required_micros": "5"})
    assert (await rich).doubtful is False


async def test_what_may_pass_is_tried_again(ledger: GatedLedger, batcher: LedgerBatcher) -> None:
    """A transient failure is repeated, and the answer says that it may be an echo of the first attempt."""
    ledger.gate.set()
    ledger.fail("ReserveCredits", unavailable("ledger"), unavailable("ledger"))
    reserved = await reserve(batcher, "r")
    assert reserved.doubtful
    assert len(ledger.calls) == 3


async def test_failures_end_within_the_time(ledger: GatedLedger, batcher: LedgerBatcher) -> None:
    """A ledger that never answers, or always fails, is UPSTREAM_UNAVAILABLE when the time is over."""
    with pytest.raises(Refusal) as refused:
        await reserve(batcher, "r", timeout=0.05)
    assert refused.value.reason == "UPSTREAM_UNAVAILABLE"
    ledger.gate.set()
    ledger.fail("ReserveCredits", *[unavailable("ledger")] * 50)
    with pytest.raises(Refusal) as refused:
        await reserve(batcher, "s", timeout=0.3)
    assert refused.value.reason == "UPSTREAM_UNAVAILABLE"


async def test_who_has_gone_is_not_reserved_for(ledger: GatedLedger, batcher: LedgerBatcher) -> None:
    """A caller that gave up while waiting leaves no reservation, and harms nobody else's."""
    first = reserve(batcher, "first")
    await ledger.called.wait()
    gone, stays = reserve(batcher, "gone"), reserve(batcher, "stays")
    await asyncio.sleep(0)
    gone.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await gone
    ledger.gate.set()
    await first
    await stays
    assert set(ledger.reservations) == {"first", "stays"}


async def test_the_queue_is_limited(
    ledger: GatedLedger, batcher: LedgerBatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than may wait are refused at once."""
    monkeypatch.setattr(ledger_batcher, "WAITING_MAX", 2)
    monkeypatch.setattr(ledger_batcher, "ATTEMPTS", 1)
    first = reserve(batcher, "first")
    await ledger.called.wait()
    waiting = [reserve(batcher, "a"), reserve(batcher, "b")]
    await asyncio.sleep(0)
    with pytest.raises(Refusal) as refused:
        await reserve(batcher, "c")
    assert refused.value.reason == "UPSTREAM_UNAVAILABLE"
    ledger.gate.set()
    await asyncio.gather(first, *waiting)


async def test_a_broken_answer_breaks_nobody_for_good(ledger: GatedLedger, batcher: LedgerBatcher) -> None:
    """An error nobody thought of is UPSTREAM_UNAVAILABLE, and the next reserve is sent."""
    ledger.gate.set()
    original = ledger.reserve
    ledger.reserve = None  # type: ignore[assignment,method-assign]
    with pytest.raises(Refusal) as refused:
        await reserve(batcher, "r", timeout=0.2)
    assert refused.value.reason == "UPSTREAM_UNAVAILABLE"
    ledger.reserve = original  # type: ignore[method-assign]
    assert (await reserve(batcher, "s")).response.reservation.reservation_id == "s"
