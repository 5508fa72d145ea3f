"""Requests → domain commands, checked; one function a command, each field looked at once."""

import base64
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from scrip.ledger.v1 import events_pb2, ledger_pb2

from services.ledger.domain import commands as cmd
from services.ledger.domain.account import AccountState
from services.ledger.domain.decide.grants import PRIORITY_DEFAULT
from services.ledger.transport import validation as check
from services.ledger.transport.origin import Arrival, origin
from services.runtime.errors import invalid

_GRANTABLE: dict[int, str] = {
    events_pb2.GRANT_SOURCE_PURCHASE: "PURCHASE",
    events_pb2.GRANT_SOURCE_PROMOTION: "PROMOTION",
    events_pb2.GRANT_SOURCE_PLAN: "PLAN",
    events_pb2.GRANT_SOURCE_ADJUSTMENT: "ADJUSTMENT",
}
_STATES = {state.value: state.name for state in AccountState}
_DISPOSALS: dict[int, str] = {
    ledger_pb2.UpdateAccountRequest.DISPOSAL_UNSPECIFIED: "none",
    ledger_pb2.UpdateAccountRequest.DISPOSAL_VOID: "VOID",
}


def derived_id(prefix: str, *parts: str) -> str:
    """An id that a retry of the same command gets again."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return prefix + base64.b32encode(digest)[:26].decode().lower()


def open_account(request: ledger_pb2.OpenAccountRequest, arrival: Arrival) -> cmd.Command:
    """OpenAccount; without an id it gets one that derives from the request id."""
    not_after, cause = origin(request, arrival)
    account_id = check.account_id(request.account_id or derived_id("acc-", cause["request_id"]))
    limit = check.amount("credit_limit_micros", request.credit_limit_micros, 0)
    return _signed(cmd.OpenAccount(account_id, cause, not_after, limit))


def update_account(request: ledger_pb2.UpdateAccountRequest, arrival: Arrival) -> cmd.Command:
    """UpdateAccount: one of state and credit limit."""
    account_id = check.account_id(request.account_id)
    not_after, cause = origin(request, arrival)
    state, limit = None, None
    if bool(request.state) == request.HasField("credit_limit_micros"):
        raise invalid("state", "exactly one of state and credit_limit_micros must be given")
    if request.state:
        state = AccountState(check.one_of("state", request.state, _STATES))
    else:
        limit = check.amount("credit_limit_micros", request.credit_limit_micros, 0)
    if check.one_of("disposal", request.disposal, _DISPOSALS) and state is not AccountState.CLOSED:
        raise invalid("disposal", "is for state CLOSED only")
    reason = check.text("reason", request.reason)
    return _signed(cmd.UpdateAccount(account_id, cause, not_after, state, limit, bool(request.disposal), reason))


def grant_credits(request: ledger_pb2.GrantCreditsRequest, arrival: Arrival) -> cmd.Command:
    """GrantCredits."""
    account_id = check.account_id(request.account_id)
    not_after, cause = origin(request, arrival, check.HORIZON)
    # One that has passed is for the decider to refuse: said again later, the command must find its first answer.
    expires_at = check.moment("expires_at", request.expires_at) if request.HasField("expires_at") else 0
    effective_at = 0
    if request.HasField("effective_at"):
        effective_at = check.effective_at(request.effective_at, arrival.at, expires_at)
    paid_amount, paid_currency = 0, ""
    if request.HasField("paid"):
        paid_amount = check.amount("paid.amount_micros", request.paid.amount_micros, 0)
        paid_currency = check.currency("paid.currency", request.paid.currency)
    return _signed(
        cmd.GrantCredits(
            account_id=account_id,
            cause=cause,
            not_after=not_after,
            grant_id=derived_id("grant_", account_id, cause["request_id"]),
            amount=check.amount("amount_micros", request.amount_micros, 1),
            source=check.one_of("source", request.source, _GRANTABLE),
            priority=check.priority(request.priority) if request.HasField("priority") else PRIORITY_DEFAULT,
            effective_at=effective_at,
            expires_at=expires_at,
            paid_amount=paid_amount,
            paid_currency=paid_currency,
        )
    )


def void_grant(request: ledger_pb2.VoidGrantRequest, arrival: Arrival) -> cmd.Command:
    """VoidGrant."""
    account_id = check.account_id(request.account_id)
    not_after, cause = origin(request, arrival)
    grant_id = check.visible("grant_id", request.grant_id)
    return _signed(cmd.VoidGrant(account_id, cause, not_after, grant_id, check.text("reason", request.reason)))


def reserve_credits(request: ledger_pb2.ReserveCreditsRequest, arrival: Arrival) -> cmd.Command:
    """ReserveCredits."""
    account_id = check.account_id(request.account_id)
    not_after, cause = origin(request, arrival)
    reservation_id = check.visible("reservation_id", request.reservation_id)
    amount = check.amount("amount_micros", request.amount_micros, 0)
    return _signed(cmd.ReserveCredits(account_id, cause, not_after, reservation_id, amount, check.ttl(request.ttl)))


def extend_reservation(request: ledger_pb2.ExtendReservationRequest, arrival: Arrival) -> cmd.Command:
    """ExtendReservation."""
    account_id = check.account_id(request.account_id)
    not_after, cause = origin(request, arrival)
    reservation_id = check.visible("reservation_id", request.reservation_id)
    return _signed(cmd.ExtendReservation(account_id, cause, not_after, reservation_id, check.ttl(request.ttl)))


def capture_reservation(request: ledger_pb2.CaptureReservationRequest, arrival: Arrival) -> cmd.Command:
    """CaptureReservation."""
    account_id = check.account_id(request.account_id)
    not_after, cause = origin(request, arrival)
    reservation_id = check.visible("reservation_id", request.reservation_id)
    total = check.amount("captured_total_micros", request.captured_total_micros, 0)
    up_to_available = request.capture_up_to_available
    return _signed(
        cmd.CaptureReservation(account_id, cause, not_after, reservation_id, total, request.final, up_to_available)
    )


def release_reservation(request: ledger_pb2.ReleaseReservationRequest, arrival: Arrival) -> cmd.Command:
    """ReleaseReservation."""
    account_id = check.account_id(request.account_id)
    not_after, cause = origin(request, arrival)
    reservation_id = check.visible("reservation_id", request.reservation_id)
    return _signed(cmd.ReleaseReservation(account_id, cause, not_after, reservation_id))


def refund_capture(request: ledger_pb2.RefundCaptureRequest, arrival: Arrival) -> cmd.Command:
    """RefundCapture; the new grant that it may need has an id that a retry gets again."""
    account_id = check.account_id(request.account_id)
    not_after, cause = origin(request, arrival, check.HORIZON)
    return _signed(
        cmd.RefundCapture(
            account_id=account_id,
            cause=cause,
            not_after=not_after,
            reservation_id=check.visible("reservation_id", request.reservation_id),
            amount=check.amount("amount_micros", request.amount_micros, 1),
            grant_id=derived_id("grant_", account_id, cause["request_id"]),
            reason=check.text("reason", request.reason),
        )
    )


def adjust_balance(request: ledger_pb2.AdjustBalanceRequest, arrival: Arrival) -> cmd.Command:
    """AdjustBalance: what adds is a grant."""
    account_id = check.account_id(request.account_id)
    not_after, cause = origin(request, arrival, check.HORIZON)
    amount = check.signed_amount("amount_micros", request.amount_micros)
    reason = check.text("reason", request.reason)
    if not reason:
        raise invalid("reason", f"must be 1 to {check.TEXT_MAX} characters", length=0, limit=check.TEXT_MAX)
    if amount < 0:
        return _signed(cmd.AdjustBalance(account_id, cause, not_after, -amount, reason))
    return _signed(
        cmd.GrantCredits(
            account_id=account_id,
            cause=cause,
            not_after=not_after,
            grant_id=derived_id("grant_", account_id, cause["request_id"]),
            amount=amount,
            source=events_pb2.GRANT_SOURCE_ADJUSTMENT,
            priority=PRIORITY_DEFAULT,
            effective_at=0,
            expires_at=0,
            reason=reason,
        )
    )


def transfer_credits(request: ledger_pb2.TransferCreditsRequest, arrival: Arrival) -> cmd.Command:
    """TransferCredits."""
    account_id = check.account_id(request.account_id)
    to_account_id = check.account_id(request.to_account_id, "to_account_id")
    if to_account_id == account_id:
        raise invalid("to_account_id", f"must be another account than {account_id}", value=to_account_id)
    not_after, cause = origin(request, arrival, check.HORIZON)
    return _signed(
        cmd.SendTransfer(
            account_id=account_id,
            cause=cause,
            not_after=not_after,
            # A transfer is known to the other account for ever, its request id until not_after: another one later that
            # uses that id again must be another transfer.
            transfer_id=derived_id("transfer_", account_id, cause["request_id"], str(not_after)),
            to_account_id=to_account_id,
            amount=check.amount("amount_micros", request.amount_micros, 1),
        )
    )


# By the name of its field in Command.
PARSERS: Mapping[str, Callable[[Any, Arrival], cmd.Command]] = {
    "open_account": open_account,
    "update_account": update_account,
    "grant_credits": grant_credits,
    "void_grant": void_grant,
    "reserve_credits": reserve_credits,
    "extend_reservation": extend_reservation,
    "capture_reservation": capture_reservation,
    "release_reservation": release_reservation,
    "refund_capture": refund_capture,
    "adjust_balance": adjust_balance,
    "transfer_credits": transfer_credits,
}


def _signed(command: cmd.Command) -> cmd.Command:
    command.cause["fingerprint"] = cmd.fingerprint(command)
    return command
