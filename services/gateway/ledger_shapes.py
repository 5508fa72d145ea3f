"""The bodies of accounts and of all that moves their credits, as JSON has them."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from services.gateway.shapes import AccountId, Credits, Reason, Text, Time

Amount = Annotated[str, Meta(description="Credits above 0, at most 6 places.", examples=["12.5"])]
SignedAmount = Annotated[str, Meta(description="Credits, not 0, at most 6 places.", examples=["-12.5"])]
Limit = Annotated[str, Meta(description="Credits, 0 or above, at most 6 places.", examples=["100"])]
ReservationId = Annotated[str, Meta(pattern=r"^[\x21-\x7e]{1,128}$", description="Of a job it is the job's id.")]
AccountState = Literal["ACTIVE", "FROZEN", "CLOSED"]
GrantState = Literal["SCHEDULED", "LIVE", "EXPIRED", "VOIDED"]
ReservationState = Literal["OPEN", "CAPTURED", "RELEASED", "EXPIRED"]
TransferState = Literal["SENT", "COMPLETED", "RETURNED"]


class AccountBody(msgspec.Struct, forbid_unknown_fields=True):
    """An account to be opened; without an id it gets one."""

    account_id: AccountId | None = None
    credit_limit: Limit = "0"


class WhyBody(msgspec.Struct, forbid_unknown_fields=True):
    """Why it is done, for people."""

    reason: Text = ""


class CloseBody(msgspec.Struct, forbid_unknown_fields=True):
    """Why an account is closed, and what becomes of what is available; without `disposal` there must be nothing."""

    reason: Reason
    disposal: Literal["void"] | None = None


class LimitBody(msgspec.Struct, forbid_unknown_fields=True):
    """How far below zero available credits may go."""

    credit_limit: Limit
    reason: Text = ""


class Paid(msgspec.Struct, forbid_unknown_fields=True):
    """What was paid for a grant, in millionths of the currency's unit."""

    amount_micros: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$", description="ISO 4217 code.")]


class GrantBody(msgspec.Struct, forbid_unknown_fields=True):
    """Credits to be added to an account, now or, with `effective_at`, at a time ahead."""

    credits: Amount
    source: Literal["purchase", "promotion", "plan", "adjustment"]
    priority: Annotated[int, Meta(ge=0, le=255, description="Lower ones are spent first.")] = 100
    effective_at: Time | None = None
    expires_at: Time | None = None
    paid: Paid | None = None
    reference: Text = ""


class RefundBody(msgspec.Struct, forbid_unknown_fields=True):
    """Captured credits to be given back."""

    reservation_id: ReservationId
    credits: Amount
    reason: Reason


class AdjustmentBody(msgspec.Struct, forbid_unknown_fields=True):
    """Credits to be added, or with a minus taken, by hand."""

    credits: SignedAmount
    reason: Reason


class TransferBody(msgspec.Struct, forbid_unknown_fields=True):
    """Available credits to go to another account."""

    to_account_id: AccountId
    credits: Amount
    reference: Text = ""


class AccountCredits(msgspec.Struct):
    """granted = available + reserved + spent + expired + voided, always."""

    granted: Credits
    available: Credits
    reserved: Credits
    spent: Credits
    expired: Credits
    voided: Credits


class Grant(msgspec.Struct):
    """Credits that came in together, what is left of them, and what open reservations hold of them."""

    grant_id: str
    account_id: str
    state: GrantState
    credits: Credits
    available: Credits
    reserved: Credits
    source: str
    priority: int
    effective_at: datetime
    expires_at: datetime | None
    created_at: datetime
    paid: Paid | UnsetType = UNSET
    reference: str | UnsetType = UNSET
    transfer_id: str | UnsetType = UNSET


class Account(msgspec.Struct):
    """An account, its credits, and its grants that hold any, in the order they are spent.

    `owed`: spent on credit and not repaid by a grant. `open_reservations`: how many there are. The answer holds for the
    time `as_of`, after the event at `as_of_position`.
    """

    account_id: str
    state: AccountState
    created_at: datetime
    credits: AccountCredits
    credit_limit: Credits
    owed: Credits
    open_reservations: int
    grants: list[Grant]
    as_of: datetime
    as_of_position: str


class Accounts(msgspec.Struct):
    """A page of the accounts that were opened through this API, newest first."""

    accounts: list[Account]
    next_page_token: str


class Grants(msgspec.Struct):
    """A page of an account's grants, newest first, those that ended too."""

    grants: list[Grant]
    next_page_token: str
    as_of_position: str


class VoidedGrant(msgspec.Struct):
    """A grant after it was voided; `credits` is what was withdrawn."""

    grant: Grant
    credits: Credits


class Reservation(msgspec.Struct):
    """Credits set aside, and what became of them."""

    reservation_id: str
    account_id: str
    state: ReservationState
    credits: Credits
    reserved: Credits
    captured: Credits
    released: Credits
    refunded: Credits
    shortfall: Credits
    created_at: datetime
    expires_at: datetime | None
    ended_at: datetime | None
    job_id: str | UnsetType = UNSET


class Reservations(msgspec.Struct):
    """A page of an account's reservations, oldest first."""

    reservations: list[Reservation]
    next_page_token: str
    as_of_position: str


class Refund(msgspec.Struct):
    """What was given back; `refunded`: of the reservation in all. `grant_id`: the new grant, where one had ended."""

    account_id: str
    reservation_id: str
    credits: Credits
    refunded: Credits
    position: str
    grant_id: str | UnsetType = UNSET


class Adjustment(msgspec.Struct):
    """What was added or, negative, taken; `available` after it. `grant_id`: where credits were added."""

    account_id: str
    credits: Credits
    available: Credits
    position: str
    grant_id: str | UnsetType = UNSET


class Transfer(msgspec.Struct):
    """Credits on their way; SENT: the ledger goes on until they have arrived or, for a reason, are back."""

    transfer_id: str
    account_id: str
    to_account_id: str
    credits: Credits
    state: TransferState
    created_at: datetime
    reason: str | UnsetType = UNSET


class Entry(msgspec.Struct):
    """A line of a statement; `amount` is positive, `kind` says what it did."""

    position: str
    recorded_at: datetime
    kind: str
    amount: Credits
    available_after: Credits
    reserved_after: Credits
    grant_id: str | UnsetType = UNSET
    reservation_id: str | UnsetType = UNSET
    job_id: str | UnsetType = UNSET
    transfer_id: str | UnsetType = UNSET
    counterpart_account_id: str | UnsetType = UNSET
    tool: str | UnsetType = UNSET
    tool_version: int | UnsetType = UNSET
    price_version: int | UnsetType = UNSET
    reference: str | UnsetType = UNSET
    labels: dict[str, str] | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    request_id: str | UnsetType = UNSET
    key_id: str | UnsetType = UNSET
    actor: str | UnsetType = UNSET
    trace_id: str | UnsetType = UNSET


class Statement(msgspec.Struct):
    """A page of an account's entries, newest first, complete to `as_of_position`."""

    entries: list[Entry]
    next_page_token: str
    as_of_position: str


class Explanation(msgspec.Struct):
    """How a balance came to be, or what became of a request and on which balance that was decided.

    `credits` and `grants` are left out and empty where a request changed nothing.
    """

    summary: str
    grants: list[Grant]
    entries: list[Entry]
    as_of_position: str
    credits: AccountCredits | UnsetType = UNSET


class Totals(msgspec.Struct):
    """What every book holds over all accounts; together zero. `positions`: how far each shard's log was read."""

    available: Credits
    reserved: Credits
    revenue: Credits
    breakage: Credits
    transit: Credits
    issuance: Credits
    positions: list[str]
