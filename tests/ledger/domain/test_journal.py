"""What a batch did is taken back exactly: all of it, or one group within it. (Random batches: test_model.py.)"""

from collections.abc import Callable
from typing import Any

import pytest

from services.ledger.application import batch as batches
from services.ledger.application.results import Answer, Decided, Refused
from services.ledger.domain import commands as cmd
from services.ledger.domain import errors
from services.ledger.domain.account import AccountState
from tests.ledger.domain.book import DAY, HOUR, SECOND, Book
from tests.ledger.domain.checks import canonical


@pytest.fixture
def busy(book: Book) -> Book:
    """Accounts with grants, scheduled and lapsing, reservations on grants and on credit, and a transfer under way."""
    book.open("b")
    book.limit(50)
    book.grant(30, "x", priority=1, lasts=HOUR)
    book.grant(60, "y")
    book.grant(10, "later", begins_in=2 * HOUR, lasts=3 * HOUR)
    book.spend(20, "spent")
    book.reserve("r", 40, ttl=2 * HOUR)
    book.reserve("s", 50, ttl=4 * HOUR)
    book.grant(25, "z", account_id="b")
    book.send("t", 10, account_id="b", to="far")
    return book


def execute(book: Book, make: Any, account_id: str = "a", **fields: Any) -> Decided:
    """Decides one command in the batch in hand."""
    decided = book.shard.execute(book.command(make, account_id, **fields))
    assert decided is not None
    return decided


def capture(book: Book, total: int, final: bool = True) -> cmd.Command:
    return book.command(
        cmd.CaptureReservation, reservation_id="r", captured_total=total, final=final, up_to_available=True
    )


ACTS: dict[str, Callable[[Book], Any]] = {
    "open": lambda b: execute(b, cmd.OpenAccount, "c", credit_limit=5),
    "grant": lambda b: execute(
        b, cmd.GrantCredits, grant_id="n", amount=9, source=1, priority=0, effective_at=0, expires_at=b.at + 1
    ),
    "void": lambda b: execute(b, cmd.VoidGrant, grant_id="x", reason=""),
    "void what is spent": lambda b: execute(b, cmd.VoidGrant, grant_id="y", reason=""),
    "reserve": lambda b: execute(b, cmd.ReserveCredits, reservation_id="n", amount=1, ttl=SECOND),
    "extend": lambda b: execute(b, cmd.ExtendReservation, reservation_id="r", ttl=DAY),
    "capture": lambda b: b.shard.execute(capture(b, 15, final=False)),
    "capture beyond": lambda b: b.shard.execute(capture(b, 99)),
    "release": lambda b: execute(b, cmd.ReleaseReservation, reservation_id="s"),
    "refund": lambda b: execute(b, cmd.RefundCapture, reservation_id="spent", amount=9, grant_id="n", reason=""),
    "reduce": lambda b: execute(b, cmd.AdjustBalance, "b", amount=5, reason=""),
    "transfer here": lambda b: execute(b, cmd.SendTransfer, "b", transfer_id="u", to_account_id="a", amount=3),
    "transfer away": lambda b: execute(b, cmd.SendTransfer, "b", transfer_id="u", to_account_id="far", amount=3),
    "complete": lambda b: execute(b, cmd.CompleteTransfer, "b", transfer_id="t"),
    "return": lambda b: execute(b, cmd.ReturnTransfer, "b", transfer_id="t", grant_id="n", reason=""),
    "receive": lambda b: execute(
        b, cmd.ReceiveTransfer, transfer_id="v", from_account_id="far", amount=3, expires_at=0
    ),
    "freeze": lambda b: execute(
        b, cmd.UpdateAccount, state=AccountState.FROZEN, credit_limit=None, void_available=False, reason=""
    ),
    "limit": lambda b: execute(
        b, cmd.UpdateAccount, state=None, credit_limit=90, void_available=False, reason=""
    ),
    "refused": lambda b: execute(b, cmd.ReserveCredits, reservation_id="n", amount=999, ttl=SECOND),
}  # fmt: skip


@pytest.mark.parametrize("waits", [0, HOUR, 2 * HOUR, DAY], ids=["at once", "lapsed", "begun", "all over"])
@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
def test_undoing_a_batch_leaves_what_the_log_says(busy: Book, act: Callable[[Book], Any], waits: int) -> None:
    """Whatever was decided, and whatever lapsed before it."""
    before = canonical(busy.shard)
    busy.shard.begin(busy.at + waits)
    act(busy)
    assert busy.shard.has_events
    busy.shard.undo()
    assert canonical(busy.shard) == before == canonical(busy.replayed())


def test_a_batch_of_everything_is_undone(busy: Book) -> None:
    """One command after the other on what the ones before made of it."""
    before = canonical(busy.shard)
    busy.shard.begin(busy.at + HOUR)
    for act in ACTS.values():
        act(busy)
    busy.shard.undo()
    assert canonical(busy.shard) == before


def test_deadlines_fire_after_an_undo(busy: Book) -> None:
    """Time leads to the same as if the batch had never been: nothing is missed, nothing happens twice."""
    other = Book(busy.at, busy.replayed())
    for waits in (0, HOUR, 3 * HOUR):
        busy.shard.begin(busy.at + waits)
        for act in ACTS.values():
            act(busy)
        busy.shard.undo()
    for _ in range(5):
        for book in (busy, other):
            book.wait(HOUR)
        assert canonical(busy.shard) == canonical(other.shard)
    assert busy.shard.next_deadline is None or busy.shard.next_deadline > busy.at


def test_an_account_that_was_opened_in_an_undone_batch_is_not_there(book: Book) -> None:
    """Its deadlines are not either; and it can be opened again."""
    book.shard.begin(book.at)
    ACTS["open"](book)
    execute(book, cmd.GrantCredits, "c", grant_id="g", amount=1, source=1, priority=1, effective_at=0,
            expires_at=book.at + HOUR)  # fmt: skip
    book.shard.undo()
    book.wait(DAY)
    assert "c" not in book.shard.accounts
    assert not book.open("c").replayed


def test_a_request_id_of_an_undone_batch_is_free(book: Book) -> None:
    """It acted nowhere."""
    book.shard.begin(book.at)
    command = book.command(cmd.ReserveCredits, reservation_id="r", amount=0, ttl=HOUR)
    first = book.shard.execute(command)
    book.shard.undo()
    book.shard.begin(book.at)
    again = book.shard.execute(command)
    assert isinstance(first, Answer)
    assert isinstance(again, Answer)
    assert (again.replayed, again.position) == (False, first.position)


# ---- groups of commands that stand or fall together


def test_a_group_is_done_together(busy: Book) -> None:
    """Each command sees what the ones before it did; the results are theirs."""
    busy.shard.begin(busy.at)
    results = busy.shard.execute_together([capture(busy, 10, final=False), capture(busy, 15)])
    assert results is not None
    assert [getattr(result, "position", 0) > 0 for result in results] == [True, True]
    busy.commit()
    assert busy.kinds == ["RESERVATION_CAPTURED", "RESERVATION_CAPTURED"]
    assert canonical(busy.replayed()) == canonical(busy.shard)


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        (lambda b: capture(b, 5), "REQUEST_INVALID"),
        (lambda b: b.command(cmd.ReserveCredits, reservation_id="n", amount=999, ttl=HOUR), "INSUFFICIENT_CREDITS"),
        (lambda b: b.command(cmd.OpenAccount, not_after=b.at - 1), "REQUEST_EXPIRED"),
    ],
    ids=["refused", "refused and recorded", "too late"],
)
def test_a_refused_group_leaves_no_trace(busy: Book, last: Callable[[Book], cmd.Command], reason: str) -> None:
    """One command tells why, the others that it did; what the batch did before stays, what comes after is right."""
    busy.shard.begin(busy.at + HOUR)
    execute(busy, cmd.AdjustBalance, "b", amount=5, reason="")
    with_one, pending = busy.shard.close("test"), dict(busy.shard.request_ids.pending)
    group = [capture(busy, 15, final=False), busy.command(cmd.ReleaseReservation, reservation_id="s"), last(busy)]
    results = busy.shard.execute_together(group)
    assert results is not None
    told = [result.error for result in results if isinstance(result, Refused)]
    assert [error.reason for error in told] == ["BATCH_REFUSED", "BATCH_REFUSED", reason]
    assert told[0].fields == {"index": 2}
    assert busy.shard.close("test") == with_one
    assert busy.shard.request_ids.pending == pending
    again = busy.shard.execute_together(group[:2])
    assert again is not None
    busy.commit()
    assert busy.kinds == ["GRANT_EXPIRED", "BALANCE_REDUCED", "RESERVATION_CAPTURED", "RESERVATION_RELEASED"]
    assert canonical(busy.replayed()) == canonical(busy.shard)


def test_a_group_that_does_not_fit_goes_into_the_next_batch(busy: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is in this one; one that fits into none is refused, for it would wait for ever."""
    monkeypatch.setattr(batches, "EVENTS_MAX", batches._COMMAND_EVENTS + 2)
    busy.shard.begin(busy.at)
    execute(busy, cmd.AdjustBalance, "b", amount=5, reason="")
    two = [capture(busy, 10, final=False), capture(busy, 15, final=False)]
    three = [*two, capture(busy, 20)]
    with_one = busy.shard.close("test")
    assert busy.shard.execute_together(two) is None
    assert busy.shard.close("test") == with_one
    busy.commit()
    busy.shard.begin(busy.at)
    refused = busy.shard.execute_together(three)
    assert refused is not None
    assert {type(result.error) for result in refused if isinstance(result, Refused)} == {errors.BatchTooLargeError}
    assert len(refused) == 3
    assert busy.shard.execute_together(two) is not None
