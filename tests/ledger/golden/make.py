"""Writes the golden files that are not there yet: `python -m tests.ledger.golden.make`. Never overwrites one."""

import json
from collections.abc import Callable
from typing import Any

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.domain import commands as cmd
from services.ledger.domain.account import AccountState
from tests.ledger.domain.book import DAY, HOUR, SECOND, Book, kind_of
from tests.ledger.golden import files

VERSION = 1
# All that may be said about a command.
SUBJECT = {
    "trace_id": "0af7651916cd43dd8448eb211c80319c",
    "reference": "order 7",
    "labels": {"team": "search"},
    "key_id": "a1b2c3d4",
    "tool": "pdf-to-text",
    "tool_version": 3,
    "price_version": 2,
    "provider_request_id": "req_123",
    "provider_cost_micros": 4_200,
    "provider_cost_currency": "EUR",
}
Act = Callable[[Book], Any]


def _about(book: Book, make: Any, **fields: Any) -> None:
    """A command with all that may be said about it."""
    command = book.command(make, **fields)
    command.cause.update(SUBJECT)
    book.result(command)


def _grant(book: Book) -> None:
    _about(
        book,
        cmd.GrantCredits,
        grant_id="g1",
        amount=1_000_000,
        source=pb.GRANT_SOURCE_PURCHASE,
        priority=50,
        effective_at=0,
        expires_at=book.at + DAY,
        paid_amount=990_000,
        paid_currency="EUR",
        reason="order 7",
    )


def _capture(book: Book, total: int, final: bool, beyond: bool) -> None:
    _about(
        book,
        cmd.CaptureReservation,
        reservation_id="r1",
        captured_total=total,
        final=final,
        up_to_available=beyond,
    )


def _update(state: AccountState | None, limit: int | None = None) -> Act:
    return lambda b: _about(b, cmd.UpdateAccount, state=state, credit_limit=limit, void_available=True, reason="asked")


# By name: the scene before it, and what makes the one commit that is written.
SCENES: dict[str, tuple[str, Act]] = {
    "account_opened": ("", lambda b: _about(b, cmd.OpenAccount)),
    "account_opened-with_credit": ("", lambda b: _about(b, cmd.OpenAccount, credit_limit=500_000)),
    "credits_granted": ("account_opened", _grant),
    "credits_granted-scheduled": ("account_opened", lambda b: b.grant(70_000, "g2", begins_in=HOUR, lasts=DAY)),
    "credits_granted-beside_scheduled": ("credits_granted-scheduled", _grant),
    "credits_granted-from_transfer": ("account_opened", lambda b: b.receive("t9", 30_000, lasts=DAY)),
    "grant_effective": ("credits_granted-scheduled", lambda b: b.wait(HOUR)),
    "grant_expired": ("credits_granted", lambda b: b.wait(DAY)),
    "grant_expired-while_reserved": ("reservation_extended", lambda b: b.wait(DAY)),
    "grant_voided": ("credits_granted", lambda b: b.void("g1")),
    "grant_voided-while_reserved": ("credits_reserved", lambda b: b.void("g1")),
    "grant_voided-on_return": ("grant_voided-while_reserved", lambda b: b.release("r1")),
    "credits_reserved": (
        "credits_granted",
        lambda b: _about(b, cmd.ReserveCredits, reservation_id="r1", amount=600_000, ttl=HOUR),
    ),
    "credits_reserved-on_credit": (
        "credit_limit_changed",
        lambda b: b.reserve("r1", 200_000),
    ),
    "reservation_extended": ("credits_reserved", lambda b: b.extend("r1", 2 * DAY)),
    "reservation_captured": ("credits_reserved", lambda b: _capture(b, 450_000, True, False)),
    "reservation_captured-partial": ("credits_reserved", lambda b: _capture(b, 450_000, False, False)),
    "reservation_captured-beyond": ("credits_reserved", lambda b: _capture(b, 1_200_000, True, True)),
    "reservation_captured-on_credit": ("credits_reserved-on_credit", lambda b: b.capture("r1", 150_000)),
    "reservation_released": ("credits_reserved", lambda b: b.release("r1")),
    "reservation_expired": ("credits_reserved", lambda b: b.wait(HOUR)),
    "request_refused": (
        "credits_granted",
        lambda b: _about(b, cmd.ReserveCredits, reservation_id="r1", amount=1_000_001, ttl=HOUR),
    ),
    "account_frozen": ("credits_granted", _update(AccountState.FROZEN)),
    "account_unfrozen": ("account_frozen", _update(AccountState.ACTIVE)),
    "account_closed": ("credits_granted-beside_scheduled", _update(AccountState.CLOSED)),
    "credit_limit_changed": ("account_opened", _update(None, 250_000)),
    "credit_repaid": ("reservation_captured-on_credit", lambda b: b.grant(200_000, "g1")),
    "capture_refunded": ("reservation_captured", lambda b: b.refund("r1", 100_000)),
    "capture_refunded-to_new_grant": ("grant_expired-after_capture", lambda b: b.refund("r1", 100_000, "n")),
    "capture_refunded-of_credit": ("reservation_captured-on_credit", lambda b: b.refund("r1", 100_000)),
    "grant_expired-after_capture": ("reservation_captured", lambda b: b.wait(DAY)),
    "balance_reduced": ("credits_granted", lambda b: b.reduce(300_000)),
    "transfer_sent": ("credits_granted", lambda b: b.send("t1", 400_000, to="far")),
    "transfer_completed": ("transfer_sent", lambda b: b.do(cmd.CompleteTransfer, transfer_id="t1")),
    "transfer_returned": (
        "transfer_sent",
        lambda b: b.do(cmd.ReturnTransfer, transfer_id="t1", grant_id="n", reason="ACCOUNT_CLOSED"),
    ),
    "transfer_rejected": (
        "credits_granted",
        lambda b: b.result(
            b.command(cmd.ReceiveTransfer, transfer_id="t8", from_account_id="far", amount=(1 << 63) - 1, expires_at=0)
        ),
    ),
}


def before(name: str) -> list[str]:
    """The scenes before one, in order."""
    previous = SCENES[name][0]
    return [*before(previous), previous] if previous else []


def make(name: str) -> bool:
    """Writes a file and what it folds to, where it is not there yet; answers whether it did."""
    path = files.FOLDER / f"{name}.{VERSION}.binpb"
    if path.exists():
        return False
    book, after = Book(), before(name)
    for one in after:
        SCENES[one][1](book)
        book.at += SECOND
    SCENES[name][1](book)
    assert len(book.log.commits) == len(after) + 1
    assert files.kind_in(name) in map(kind_of, book.last)
    told = {"after": [f"{one}.{VERSION}" for one in after], "state": files.state_of(book.shard)}
    path.write_bytes(book.log.commits[-1].body)
    path.with_suffix(".json").write_text(json.dumps(told, indent=2) + "\n")
    return True


def main() -> None:
    """Writes what is missing."""
    for name in SCENES:
        if make(name):
            print(f"{name}.{VERSION}")


if __name__ == "__main__":
    main()
