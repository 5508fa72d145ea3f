"""What callers ask for, in the imperative. Well-formedness was checked before a command is made.

`cause` holds the fields of the event that say who asked, under which request id and about what, as the log has them:
`request_id`, `fingerprint`, `remember_until`, `actor`, `trace_id` and what of `reference`, `labels`, `key_id`, `tool`,
… there is. Only kind, account, ids and amounts are part of the fingerprint.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from services.ledger.domain.account import AccountState, Allocation, Transfer

Cause = dict[str, Any]


@dataclass(slots=True)
class OpenAccount:
    """Open an account."""

    account_id: str
    cause: Cause
    not_after: int
    credit_limit: int = 0


@dataclass(slots=True)
class UpdateAccount:
    """Freeze, unfreeze or close an account, or change its credit limit: one of `state` and `credit_limit`."""

    account_id: str
    cause: Cause
    not_after: int
    state: AccountState | None
    credit_limit: int | None
    # Closing withdraws what is available; else it is refused while there is any.
    void_available: bool
    reason: str


@dataclass(slots=True)
class GrantCredits:
    """Add credits as a grant with an id of its own; effective at once where `effective_at` is not ahead."""

    account_id: str
    cause: Cause
    not_after: int
    grant_id: str
    amount: int
    source: int
    priority: int
    effective_at: int
    expires_at: int
    paid_amount: int = 0
    paid_currency: str = ""
    reason: str = ""


@dataclass(slots=True)
class VoidGrant:
    """Withdraw what is unspent and unreserved of a grant."""

    account_id: str
    cause: Cause
    not_after: int
    grant_id: str
    reason: str


@dataclass(slots=True)
class ReserveCredits:
    """Set credits aside for `ttl` microseconds."""

    account_id: str
    cause: Cause
    not_after: int
    reservation_id: str
    amount: int
    ttl: int


@dataclass(slots=True)
class ExtendReservation:
    """Let a reservation hold for `ttl` microseconds from now, if that is later than it does."""

    account_id: str
    cause: Cause
    not_after: int
    reservation_id: str
    ttl: int


@dataclass(slots=True)
class CaptureReservation:
    """Spend reserved credits up to a cumulative total."""

    account_id: str
    cause: Cause
    not_after: int
    reservation_id: str
    captured_total: int
    final: bool
    up_to_available: bool


@dataclass(slots=True)
class ReleaseReservation:
    """Give back what a reservation still holds, and end it."""

    account_id: str
    cause: Cause
    not_after: int
    reservation_id: str


@dataclass(slots=True)
class RefundCapture:
    """Give captured credits back. `captured`: what the reservation captured from which grants, in order, as the log
    has it; None: it never was. Whoever makes the command has looked there."""

    account_id: str
    cause: Cause
    not_after: int
    reservation_id: str
    amount: int
    # For the part whose grants are dead.
    grant_id: str
    reason: str
    captured: tuple[Allocation, ...] | None = None


@dataclass(slots=True)
class AdjustBalance:
    """Take available credits away; what adds is a GrantCredits."""

    account_id: str
    cause: Cause
    not_after: int
    amount: int
    reason: str


@dataclass(slots=True)
class SendTransfer:
    """Let available credits leave for another account."""

    account_id: str
    cause: Cause
    not_after: int
    transfer_id: str
    to_account_id: str
    amount: int


@dataclass(slots=True)
class ReceiveTransfer:
    """Take in what another account sent. The ledger's own; a transfer arrives once, by its id."""

    account_id: str
    cause: Cause
    not_after: int
    transfer_id: str
    from_account_id: str
    amount: int
    expires_at: int


@dataclass(slots=True)
class CompleteTransfer:
    """The other account has the credits. The ledger's own."""

    account_id: str
    cause: Cause
    not_after: int
    transfer_id: str


@dataclass(slots=True)
class ReturnTransfer:
    """The other account cannot take the credits, for a reason. The ledger's own."""

    account_id: str
    cause: Cause
    not_after: int
    transfer_id: str
    # For the part whose grants are dead.
    grant_id: str
    reason: str


Command = (
    OpenAccount
    | UpdateAccount
    | GrantCredits
    | VoidGrant
    | ReserveCredits
    | ExtendReservation
    | CaptureReservation
    | ReleaseReservation
    | RefundCapture
    | AdjustBalance
    | SendTransfer
    | ReceiveTransfer
    | CompleteTransfer
    | ReturnTransfer
)


def ending_of(
    account_id: str, transfer: Transfer, cause: Cause
) -> tuple[ReceiveTransfer, CompleteTransfer, ReturnTransfer]:
    """What ends a transfer: its arrival and then its completion, or else its return."""
    never_late = 1 << 62
    return (
        ReceiveTransfer(
            transfer.to_account_id,
            cause,
            never_late,
            transfer.transfer_id,
            account_id,
            transfer.amount,
            transfer.expires_at,
        ),
        CompleteTransfer(account_id, cause, never_late, transfer.transfer_id),
        ReturnTransfer(account_id, cause, never_late, transfer.transfer_id, f"grant_{transfer.transfer_id}", ""),
    )


def fingerprint(command: Command) -> bytes:  # noqa: PLR0912 (one case a command)
    """Eight bytes over kind, account, ids and amounts: what makes two commands of one request id the same."""
    c = command
    match c:
        case ReserveCredits():
            content = f"reserve\0{c.account_id}\0{c.reservation_id}\0{c.amount}"
        case CaptureReservation():
            content = f"capture\0{c.account_id}\0{c.reservation_id}\0{c.captured_total}\0{c.final}\0{c.up_to_available}"
        case ReleaseReservation():
            content = f"release\0{c.account_id}\0{c.reservation_id}"
        case ExtendReservation():
            content = f"extend\0{c.account_id}\0{c.reservation_id}"
        case GrantCredits():
            content = f"grant\0{c.account_id}\0{c.amount}\0{c.source}\0{c.priority}\0{c.expires_at}\0{c.paid_amount}"
            content += f"\0{c.paid_currency}"
            if c.effective_at:
                content += f"\0{c.effective_at}"
        case OpenAccount():
            content = f"open\0{c.account_id}" + (f"\0{c.credit_limit}" if c.credit_limit else "")
        case UpdateAccount():
            content = f"update\0{c.account_id}\0{c.state}\0{c.credit_limit}\0{c.void_available}"
        case VoidGrant():
            content = f"void\0{c.account_id}\0{c.grant_id}"
        case RefundCapture():
            content = f"refund\0{c.account_id}\0{c.reservation_id}\0{c.amount}"
        case AdjustBalance():
            content = f"adjust\0{c.account_id}\0{-c.amount}"
        case SendTransfer():
            content = f"transfer\0{c.account_id}\0{c.to_account_id}\0{c.amount}"
        case ReceiveTransfer() | CompleteTransfer() | ReturnTransfer():
            content = f"{type(c).__name__}\0{c.account_id}\0{c.transfer_id}"
    return hashlib.blake2b(content.encode(), digest_size=8).digest()
