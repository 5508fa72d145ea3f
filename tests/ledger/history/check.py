"""The judge: whether everything callers were told agrees with the log, and nothing else happened."""

from typing import Any

from scrip.ledger.v1 import events_pb2 as pb
from scrip.ledger.v1 import ledger_pb2

from tests.ledger.history.log import Log
from tests.ledger.history.world import Said, Seen, World

_KINDS = {
    "OpenAccount": {pb.EVENT_KIND_ACCOUNT_OPENED},
    "UpdateAccount": {
        pb.EVENT_KIND_ACCOUNT_FROZEN,
        pb.EVENT_KIND_ACCOUNT_UNFROZEN,
        pb.EVENT_KIND_ACCOUNT_CLOSED,
        pb.EVENT_KIND_CREDIT_LIMIT_CHANGED,
    },
    "GrantCredits": {pb.EVENT_KIND_CREDITS_GRANTED},
    "VoidGrant": {pb.EVENT_KIND_GRANT_VOIDED},
    "ReserveCredits": {pb.EVENT_KIND_CREDITS_RESERVED},
    "ExtendReservation": {pb.EVENT_KIND_RESERVATION_EXTENDED},
    "CaptureReservation": {pb.EVENT_KIND_RESERVATION_CAPTURED},
    "ReleaseReservation": {pb.EVENT_KIND_RESERVATION_RELEASED},
    "RefundCapture": {pb.EVENT_KIND_CAPTURE_REFUNDED},
    "AdjustBalance": {pb.EVENT_KIND_CREDITS_GRANTED, pb.EVENT_KIND_BALANCE_REDUCED},
    "TransferCredits": {pb.EVENT_KIND_TRANSFER_SENT},
}
# Where all is as asked already, there is no event.
_MAY_CHANGE_NOTHING = frozenset({"UpdateAccount", "ExtendReservation", "CaptureReservation"})


def check(world: World, log: Log) -> None:
    """Every answer against the log, every event against the answers, every balance against the fold."""
    asked = {(said.request.account_id, said.request.request_id): said for said in world.said}
    assert len(asked) == len(world.said)
    for key, positions in log.requests.items():
        assert key in asked, f"nobody asked for {log.events[positions[0]]}"
        assert len(positions) == 1, f"applied {len(positions)} times: {asked[key]}"
    for key, said in asked.items():
        try:
            _check_answer(said, log, log.requests.get(key, []))
        except AssertionError as error:
            found = [log.events[position] for position in log.requests.get(key, [])]
            raise AssertionError(f"{error}\n{said}\n{found}") from error
    for seen in world.seen:
        _check_balance(seen, log)
    _check_transfers(log)
    assert sum(log.books.values()) == 0, log.books
    assert log.books["transit"] == 0, "every transfer ends"


def _check_answer(said: Said, log: Log, positions: list[tuple[int, int]]) -> None:
    event = log.events[positions[0]] if positions else None
    if said.response is None:
        assert said.reason != "INTERNAL"
        if said.reason != "INSUFFICIENT_CREDITS" or said.atomic:
            assert event is None, "refused, and yet it happened"
            return
        assert event is not None
        assert event.kind == pb.EVENT_KIND_REQUEST_REFUSED
        told = [said.metadata[name] for name in ("required_micros", "available_micros", "reserved_micros")]
        held = (event.amount_micros, event.available_after_micros, event.reserved_after_micros)
        assert told == [str(amount) for amount in held]
        return
    if event is None:
        assert said.method in _MAY_CHANGE_NOTHING, "answered, and it is not in the log"
        assert not said.response.position
        return
    assert event.kind in _KINDS[said.method]
    if said.response.position:
        assert said.response.position == f"{positions[0][0]}:{positions[0][1]}"
    else:
        # Said again by the caller, or, after a doubt, decided again by the ledger.
        assert said.response.replayed
    _check_amounts(said, event, log)


def _check_amounts(said: Said, event: Any, log: Log) -> None:
    request, response = said.request, said.response
    match said.method:
        case "OpenAccount":
            assert event.credit_limit_micros == request.credit_limit_micros
        case "UpdateAccount":
            if request.HasField("credit_limit_micros"):
                assert event.credit_limit_micros == request.credit_limit_micros
        case "GrantCredits":
            assert event.amount_micros == request.amount_micros == response.grant.amount_micros
            assert event.grant_id == response.grant.grant_id
        case "VoidGrant":
            assert event.amount_micros == response.voided_micros
            assert event.grant_id == request.grant_id
        case "ReserveCredits":
            assert event.amount_micros == request.amount_micros == response.reservation.amount_micros
            assert event.reservation_id == request.reservation_id
        case "ExtendReservation" | "ReleaseReservation":
            assert event.reservation_id == request.reservation_id
        case "CaptureReservation":
            captured = event.captured_total_micros
            assert captured + event.shortfall_micros == request.captured_total_micros
            assert event.shortfall_micros == 0 or request.capture_up_to_available
            assert event.final == request.final
            if not response.replayed:
                assert response.reservation.captured_micros == captured
                assert response.reservation.shortfall_micros == event.shortfall_micros
                ended = response.reservation.state == ledger_pb2.Reservation.STATE_CAPTURED
                assert ended == request.final
        case "RefundCapture":
            assert event.amount_micros == request.amount_micros == response.amount_micros
            assert event.refunded_total_micros == response.refunded_total_micros
        case "AdjustBalance":
            assert event.amount_micros == abs(request.amount_micros)
            assert event.available_after_micros == response.available_after_micros
        case "TransferCredits":
            assert event.amount_micros == request.amount_micros == response.transfer.amount_micros
            state = log.accounts[request.account_id].transfers[response.transfer.transfer_id]
            told = ledger_pb2.Transfer.State.Name(response.transfer.state).removeprefix("STATE_").lower()
            assert told in {"sent", state}


def _check_balance(seen: Seen, log: Log) -> None:
    position = int(seen.response.position.partition(":")[2])
    credits, due = log.credits_at(seen.account_id, position)
    told = seen.response.credits
    assert told.granted_micros == (
        told.available_micros + told.reserved_micros + told.spent_micros + told.expired_micros + told.voided_micros
    )
    if due > seen.response.as_of.ToMicroseconds():
        assert credits_of(told) == credits, f"{seen} is not what the log says: {credits}"


def credits_of(told: Any) -> tuple[int, ...]:
    """A response's credits in the order of the fold's."""
    return (
        told.granted_micros,
        told.available_micros,
        told.reserved_micros,
        told.spent_micros,
        told.expired_micros,
        told.voided_micros,
    )


def _check_transfers(log: Log) -> None:
    """Each ended once: arrived where it was sent, or back."""
    arrived = {transfer_id for account in log.accounts.values() for transfer_id in account.received}
    ended = {t: state for account in log.accounts.values() for t, state in account.transfers.items()}
    assert arrived == {transfer_id for transfer_id, state in ended.items() if state == "completed"}
    assert set(ended.values()) <= {"completed", "returned"}
