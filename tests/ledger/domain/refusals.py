"""The refusals there are: what leads to each, its class and its fields."""

from collections.abc import Callable
from typing import Any

import pytest

from services.ledger.domain import commands as cmd
from services.ledger.domain import errors
from services.ledger.domain.account import AccountState
from services.ledger.domain.decide import grants
from tests.ledger.domain.book import DAY, HOUR, SECOND, START, Book

MOST = (1 << 63) - 1
FROZEN, CLOSED = AccountState.FROZEN, AccountState.CLOSED
LATE = START - 1

Act = Callable[[Book], Any]
Refusal = type[errors.CommandRefusedError]
Row = tuple[str, Act, Refusal, dict[str, int | str]]


def steps(*acts: Act) -> Callable[[Book], None]:
    """Several acts in order."""

    def act(book: Book) -> None:
        for one in acts:
            one(book)

    return act


def reserve(amount: int = 10, reservation_id: str = "x", **fields: Any) -> Act:
    return lambda b: b.reserve(reservation_id, amount, **fields)


def capture(total: int, final: bool = True, reservation_id: str = "x", **fields: Any) -> Act:
    return lambda b: b.capture(reservation_id, total, final, **fields)


def release(reservation_id: str = "x", **fields: Any) -> Act:
    return lambda b: b.release(reservation_id, **fields)


def refund(amount: int, reservation_id: str = "x", **fields: Any) -> Act:
    return lambda b: b.refund(reservation_id, amount, **fields)


def turn(state: AccountState, **fields: Any) -> Act:
    return lambda b: b.turn(state, void_available=state is CLOSED, **fields)


def limit(credit_limit: int) -> Act:
    return lambda b: b.limit(credit_limit)


def wait(micros: int) -> Act:
    return lambda b: b.wait(micros)


def at_most(grants_max: int) -> Act:
    """Few grants fill an account; the fixture `_limits` puts the limit back."""
    return lambda _: setattr(grants, "GRANTS_MAX", grants_max)


close_with_nothing_declared: Act = lambda b: b.turn(CLOSED)  # noqa: E731 (an act like the others)


def rejected(book: Book) -> None:
    """A transfer for which there is no room."""
    with pytest.raises(errors.TransferRejectedError):
        book.receive("t", 1)


IDS = {"account_id": "a", "reservation_id": "x"}

ROWS: list[Row] = [
    ("a request id with other content", steps(reserve(request_id="q"), release(request_id="q")),
     errors.RequestIdReusedError, {"request_id": "q"}),
    ("a command after its time", reserve(not_after=LATE), errors.RequestExpiredError, {"not_after": LATE}),
    ("an account that is not there", reserve(account_id="nobody"),
     errors.AccountNotFoundError, {"account_id": "nobody"}),
    ("opening with another limit", steps(limit(7), lambda b: b.open(credit_limit=8)),
     errors.AccountExistsError, {"account_id": "a", "credit_limit_micros": 7, "requested_micros": 8}),
    ("reserving on a closed account", steps(turn(CLOSED), reserve()), errors.AccountClosedError, {"account_id": "a"}),
    ("granting to a closed account", steps(turn(CLOSED), lambda b: b.grant(1)),
     errors.AccountClosedError, {"account_id": "a"}),
    ("voiding on a closed account", steps(turn(CLOSED), lambda b: b.void("g")),
     errors.AccountClosedError, {"account_id": "a"}),
    ("refunding on a closed account", steps(reserve(), capture(5), turn(CLOSED), refund(5)),
     errors.AccountClosedError, {"account_id": "a"}),
    ("adjusting a closed account", steps(turn(CLOSED), lambda b: b.reduce(1)),
     errors.AccountClosedError, {"account_id": "a"}),
    ("sending from a closed account", steps(turn(CLOSED), lambda b: b.send("t", 1)),
     errors.AccountClosedError, {"account_id": "a"}),
    ("receiving on a closed account", steps(turn(CLOSED), lambda b: b.receive("t", 1)),
     errors.AccountClosedError, {"account_id": "a"}),
    ("freezing a closed account", steps(turn(CLOSED), turn(FROZEN)), errors.AccountClosedError, {"account_id": "a"}),
    ("limiting a closed account", steps(turn(CLOSED), limit(5)), errors.AccountClosedError, {"account_id": "a"}),
    ("capturing what never was", capture(1), errors.ReservationNotFoundError, IDS),
    ("releasing what never was", release(), errors.ReservationNotFoundError, IDS),
    ("extending what never was", lambda b: b.extend("x", DAY), errors.ReservationNotFoundError, IDS),
    ("refunding what never was", refund(1), errors.ReservationNotFoundError, IDS),
    ("an open reservation of another amount", steps(reserve(10), reserve(11)), errors.ReservationReusedError,
     {"reservation_id": "x", "amount_micros": 10, "requested_micros": 11}),
    ("an ended reservation of another amount", steps(reserve(10), release(), reserve(11)),
     errors.ReservationReusedError, {"reservation_id": "x", "amount_micros": 10, "requested_micros": 11}),
    ("voiding what never was", lambda b: b.void("nope"), errors.GrantNotFoundError,
     {"account_id": "a", "grant_id": "nope"}),
    ("voiding what left memory", steps(lambda b: b.void("g"), lambda b: b.void("g")), errors.GrantNotFoundError,
     {"account_id": "a", "grant_id": "g"}),
    ("completing what was never sent", lambda b: b.do(cmd.CompleteTransfer, transfer_id="t"),
     errors.TransferNotFoundError, {"account_id": "a", "transfer_id": "t"}),
    ("returning what was never sent", lambda b: b.do(cmd.ReturnTransfer, transfer_id="t", grant_id="n", reason=""),
     errors.TransferNotFoundError, {"account_id": "a", "transfer_id": "t"}),
    ("receiving without room", steps(at_most(1), lambda b: b.receive("t", 1)), errors.TransferRejectedError,
     {"account_id": "a", "transfer_id": "t"}),
    ("receiving what was rejected", steps(at_most(1), rejected,
     at_most(2), lambda b: b.receive("t", 1)), errors.TransferRejectedError, {"account_id": "a", "transfer_id": "t"}),
    ("reserving on a frozen account", steps(turn(FROZEN), reserve()), errors.AccountFrozenError, {"account_id": "a"}),
    ("sending from a frozen account", steps(turn(FROZEN), lambda b: b.send("t", 1)),
     errors.AccountFrozenError, {"account_id": "a"}),
    ("capturing what expired", steps(reserve(ttl=SECOND), capture(4, final=False), wait(SECOND), capture(10)),
     errors.ReservationExpiredError, {"reservation_id": "x", "captured_micros": 4}),
    ("releasing what was released", steps(reserve(), release(), release()), errors.ReservationEndedError,
     {"reservation_id": "x", "state": "RELEASED", "captured_micros": 0}),
    ("extending what was captured", steps(reserve(), capture(3), lambda b: b.extend("x", DAY)),
     errors.ReservationEndedError, {"reservation_id": "x", "state": "CAPTURED", "captured_micros": 3}),
    ("releasing on a closed account", steps(reserve(), capture(3), turn(CLOSED), release()),
     errors.ReservationEndedError, {"reservation_id": "x", "state": "CAPTURED", "captured_micros": 3}),
    ("voiding a grant twice", steps(reserve(), lambda b: b.void("g"), lambda b: b.void("g")), errors.GrantEndedError,
     {"grant_id": "g", "state": "VOIDED"}),
    ("voiding an expired grant", steps(lambda b: b.grant(5, "e", priority=1, lasts=HOUR), reserve(5, ttl=DAY),
     wait(HOUR), lambda b: b.void("e")), errors.GrantEndedError, {"grant_id": "e", "state": "EXPIRED"}),
    ("capturing less than before", steps(reserve(), capture(5, final=False), capture(4)),
     errors.CaptureBelowCapturedError, {"requested_micros": 4, "captured_micros": 5}),
    ("capturing more than reserved", steps(reserve(), capture(4, final=False), capture(11)),
     errors.CaptureExceedsReservedError, {"requested_micros": 7, "reserved_micros": 6}),
    ("refunding more than captured", steps(reserve(), capture(10), refund(4), refund(7)),
     errors.RefundExceedsCapturedError, {"requested_micros": 7, "captured_micros": 10, "refunded_micros": 4}),
    ("refunding what captured nothing", steps(reserve(), release(), refund(1)), errors.RefundExceedsCapturedError,
     {"requested_micros": 1, "captured_micros": 0, "refunded_micros": 0}),
    ("a limit below what is used", steps(limit(50), reserve(120), limit(19)), errors.CreditLimitBelowUsedError,
     {"requested_micros": 19, "used_micros": 20}),
    ("closing an account that is not empty",
     steps(limit(50), reserve(120, "y"), capture(110, False, "y"), lambda b: b.grant(7, begins_in=HOUR),
           lambda b: b.grant(30), lambda b: b.send("t", 5, to="far"), close_with_nothing_declared),
     errors.AccountNotEmptyError, {"account_id": "a", "available_micros": 15, "scheduled_micros": 7,
                                   "reserved_micros": 10, "owed_micros": 0, "transit_micros": 5}),
    ("closing an account that owes", steps(limit(50), reserve(120, "y"), capture(120, True, "y"), turn(CLOSED)),
     errors.AccountNotEmptyError, {"account_id": "a", "available_micros": 0, "scheduled_micros": 0,
                                   "reserved_micros": 0, "owed_micros": 20, "transit_micros": 0}),
    ("granting what has lapsed", lambda b: b.grant(1, lasts=-1), errors.ExpiryPassedError,
     {"field": "expires_at", "expires_at": LATE, "now": START}),
    ("one grant too many", steps(at_most(1), lambda b: b.grant(1)), errors.TooManyGrantsError,
     {"account_id": "a", "grants": 1, "limit": 1}),
    ("more granted than an int64 holds", lambda b: b.grant(MOST - 99), errors.AmountOutOfRangeError,
     {"limit_micros": MOST}),
    ("more scheduled than an int64 holds", steps(lambda b: b.grant(MOST - 100, begins_in=HOUR), lambda b: b.grant(1)),
     errors.AmountOutOfRangeError, {"limit_micros": MOST}),
    ("more lent than an int64 holds", limit(MOST - 99), errors.AmountOutOfRangeError, {"limit_micros": MOST}),
    ("more granted than an int64 holds with what is lent", steps(limit(MOST - 100), lambda b: b.grant(1)),
     errors.AmountOutOfRangeError, {"limit_micros": MOST}),
    ("reserving more than there is", steps(reserve(30, "y"), reserve(71)), errors.InsufficientCreditsError,
     {"required_micros": 71, "available_micros": 70, "reserved_micros": 30}),
    ("taking away more than there is", lambda b: b.reduce(101), errors.InsufficientCreditsError,
     {"required_micros": 101, "available_micros": 100, "reserved_micros": 0}),
    ("sending more than there is", lambda b: b.send("t", 101), errors.InsufficientCreditsError,
     {"required_micros": 101, "available_micros": 100, "reserved_micros": 0}),
]  # fmt: skip

# Where two refusals apply; the first is given.
BOTH: list[tuple[str, Act, Refusal]] = [
    ("other content, and too late", steps(reserve(request_id="q"), release(request_id="q", not_after=LATE)),
     errors.RequestIdReusedError),
    ("too late, and no account", reserve(account_id="nobody", not_after=LATE), errors.RequestExpiredError),
    ("too late, and closed", steps(turn(CLOSED), reserve(not_after=LATE)), errors.RequestExpiredError),
    ("too late, and an ended reservation of another amount",
     steps(reserve(10), release(), reserve(11, not_after=LATE)), errors.RequestExpiredError),
    ("another limit, and closed", steps(turn(CLOSED), lambda b: b.open(credit_limit=8)), errors.AccountExistsError),
    ("rejected before, and closed", steps(at_most(1), rejected,
     turn(CLOSED), lambda b: b.receive("t", 1)), errors.TransferRejectedError),
    ("closed, and an ended reservation of another amount",
     steps(reserve(10), release(), turn(CLOSED), reserve(11)), errors.AccountClosedError),
    ("closed, and no such reservation", steps(turn(CLOSED), refund(1)), errors.AccountClosedError),
    ("closed, and no such grant", steps(turn(CLOSED), lambda b: b.void("nope")), errors.AccountClosedError),
    ("closed, and lacking", steps(turn(CLOSED), lambda b: b.reduce(500)), errors.AccountClosedError),
    ("no such reservation, and frozen", steps(turn(FROZEN), capture(1)), errors.ReservationNotFoundError),
    ("another amount, and frozen", steps(reserve(10), turn(FROZEN), reserve(11)), errors.ReservationReusedError),
    ("an ended one of another amount, and frozen", steps(reserve(10), release(), turn(FROZEN), reserve(11)),
     errors.ReservationReusedError),
    ("another amount, and lacking", steps(reserve(10), reserve(500)), errors.ReservationReusedError),
    ("frozen, and lacking", steps(turn(FROZEN), reserve(500)), errors.AccountFrozenError),
    ("frozen, and lacking, for a transfer", steps(turn(FROZEN), lambda b: b.send("t", 500)),
     errors.AccountFrozenError),
    ("ended, and below captured", steps(reserve(), capture(5), capture(4)), errors.ReservationEndedError),
    ("expired, and beyond reserved", steps(reserve(ttl=SECOND), wait(SECOND), capture(500)),
     errors.ReservationExpiredError),
    ("below used, and out of range", steps(limit(50), reserve(120), limit(0)), errors.CreditLimitBelowUsedError),
    ("lapsed, and too many", steps(at_most(1), lambda b: b.grant(1, lasts=-1)), errors.ExpiryPassedError),
    ("too many, and out of range", steps(at_most(1), lambda b: b.grant(MOST)), errors.TooManyGrantsError),
]  # fmt: skip
