"""Random commands about a world, as requests; most of them sensible, some bound to be refused."""

from collections.abc import Callable
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from scrip.ledger.v1 import events_pb2, ledger_pb2

from services.runtime import clock, ids
from tests.ledger.history.world import World

# (method, request); None where there is nothing yet to do it to.
Action = tuple[str, Any] | None


def opening(world: World, account_id: str) -> Action:
    """A new account, now and then on credit."""
    limit = 30 if world.accounts.index(account_id) % 3 == 0 else 0
    return "OpenAccount", ledger_pb2.OpenAccountRequest(
        request_id=ids.uuid7(), account_id=account_id, credit_limit_micros=limit
    )


def some(world: World) -> Action:
    """Any command, the frequent ones more often."""
    (make,) = world.choose.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
    return make(world)


def several(world: World) -> tuple[list[tuple[str, Any]], bool]:
    """Commands for one call, and whether they stand or fall together: then a piece of work and what may spoil it."""
    if world.choose.random() < 0.5:
        return [action for action in (some(world) for _ in range(4)) if action], False
    method, reserve = _reserve(world)
    capture = ledger_pb2.CaptureReservationRequest(
        request_id=ids.uuid7(),
        account_id=reserve.account_id,
        reservation_id=reserve.reservation_id,
        captured_total_micros=world.choose.randrange(reserve.amount_micros + 1),
        final=True,
    )
    adjust = ledger_pb2.AdjustBalanceRequest(
        request_id=ids.uuid7(),
        account_id=reserve.account_id,
        amount_micros=world.choose.choice((-500, -1, 2)),
        reason="history",
    )
    return [(method, reserve), ("CaptureReservation", capture), ("AdjustBalance", adjust)], True


def _reserve(world: World) -> tuple[str, Any]:
    account_id, amount = world.choose.choice(world.accounts), world.choose.randrange(12)
    reservation_id = ids.uuid7()
    world.reservations.append((account_id, reservation_id, amount))
    # Some hold so briefly that they lapse within the history.
    seconds = world.choose.choice((1, 2, 600, 600, 600))
    return "ReserveCredits", ledger_pb2.ReserveCreditsRequest(
        request_id=ids.uuid7(),
        account_id=account_id,
        reservation_id=reservation_id,
        amount_micros=amount,
        ttl=Duration(seconds=seconds),
        subject=ledger_pb2.Subject(reference="history", tool="echo"),
    )


def _extend(world: World) -> Action:
    found = world.some_reservation()
    return found and (
        "ExtendReservation",
        ledger_pb2.ExtendReservationRequest(
            request_id=ids.uuid7(),
            account_id=found[0],
            reservation_id=found[1],
            ttl=Duration(seconds=world.choose.choice((1, 900))),
        ),
    )


def _capture(world: World) -> Action:
    found = world.some_reservation()
    if found is None:
        return None
    account_id, reservation_id, amount = found
    return "CaptureReservation", ledger_pb2.CaptureReservationRequest(
        request_id=ids.uuid7(),
        account_id=account_id,
        reservation_id=reservation_id,
        captured_total_micros=world.choose.randrange(amount + 4),
        final=world.choose.random() < 0.6,
        capture_up_to_available=world.choose.random() < 0.5,
    )


def _release(world: World) -> Action:
    found = world.some_reservation()
    return found and (
        "ReleaseReservation",
        ledger_pb2.ReleaseReservationRequest(request_id=ids.uuid7(), account_id=found[0], reservation_id=found[1]),
    )


def _refund(world: World) -> Action:
    found = world.some_reservation()
    return found and (
        "RefundCapture",
        ledger_pb2.RefundCaptureRequest(
            request_id=ids.uuid7(),
            account_id=found[0],
            reservation_id=found[1],
            amount_micros=world.choose.randrange(1, 6),
            reason="history",
        ),
    )


def _grant(world: World) -> Action:
    account_id = world.choose.choice(world.accounts)
    request = ledger_pb2.GrantCreditsRequest(
        request_id=ids.uuid7(),
        account_id=account_id,
        amount_micros=world.choose.randrange(1, 40),
        source=events_pb2.GRANT_SOURCE_PROMOTION,
        priority=world.choose.choice((50, 100)),
    )
    kind = world.choose.randrange(4)
    if kind == 0:
        request.expires_at.CopyFrom(_ahead(world.choose.choice((8, 600))))
    elif kind == 1:
        request.effective_at.CopyFrom(_ahead(world.choose.choice((0.3, 1, 600))))
    return "GrantCredits", request


def _void(world: World) -> Action:
    if not world.grants:
        return None
    account_id, grant_id = world.choose.choice(world.grants[-40:])
    return "VoidGrant", ledger_pb2.VoidGrantRequest(
        request_id=ids.uuid7(), account_id=account_id, grant_id=grant_id, reason="history"
    )


def _adjust(world: World) -> Action:
    amount = world.choose.choice((-9, -4, -1, 3, 8))
    return "AdjustBalance", ledger_pb2.AdjustBalanceRequest(
        request_id=ids.uuid7(), account_id=world.choose.choice(world.accounts), amount_micros=amount, reason="history"
    )


def _change_state(world: World) -> Action:
    # Unfrozen more often than frozen, or little else would happen.
    state = world.choose.choice((ledger_pb2.Account.STATE_FROZEN, *[ledger_pb2.Account.STATE_ACTIVE] * 4))
    return "UpdateAccount", ledger_pb2.UpdateAccountRequest(
        request_id=ids.uuid7(), account_id=world.choose.choice(world.accounts), state=state, reason="history"
    )


def _change_limit(world: World) -> Action:
    return "UpdateAccount", ledger_pb2.UpdateAccountRequest(
        request_id=ids.uuid7(),
        account_id=world.choose.choice(world.accounts),
        credit_limit_micros=world.choose.choice((0, 10, 30)),
        reason="history",
    )


def _close(world: World) -> Action:
    """Only the last account, and seldom: transfers that are on their way to it come back."""
    if world.choose.random() < 0.7 or len(world.said) < 200:
        return None
    return "UpdateAccount", ledger_pb2.UpdateAccountRequest(
        request_id=ids.uuid7(),
        account_id=world.accounts[-1],
        state=ledger_pb2.Account.STATE_CLOSED,
        disposal=ledger_pb2.UpdateAccountRequest.DISPOSAL_VOID,
        reason="history",
    )


def _transfer(world: World) -> Action:
    account_id, to_account_id = world.choose.sample(world.accounts, 2)
    return "TransferCredits", ledger_pb2.TransferCreditsRequest(
        request_id=ids.uuid7(),
        account_id=account_id,
        to_account_id=to_account_id,
        amount_micros=world.choose.randrange(1, 15),
    )


def _ahead(seconds: float) -> Timestamp:
    moment = Timestamp()
    moment.FromMicroseconds(clock.now_us() + int(seconds * clock.MICROS_PER_SECOND))
    return moment


_WEIGHTS: dict[Callable[[World], Action], int] = {
    _reserve: 30,
    _capture: 24,
    _release: 6,
    _extend: 5,
    _grant: 10,
    _transfer: 10,
    _refund: 6,
    _adjust: 4,
    _void: 2,
    _change_state: 4,
    _change_limit: 2,
    _close: 1,
}
