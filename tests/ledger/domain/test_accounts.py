"""Accounts that open, freeze and close."""

import pytest

from services.ledger.domain.account import Account, AccountState
from services.ledger.domain.errors import CommandRefusedError
from tests.ledger.domain.book import DAY, HOUR, Book, parts


def test_an_account_opens_once(book: Book) -> None:
    """Opening it again, under any request id, answers it as it is and makes no event."""
    book.grant(100)
    again = book.open()
    assert isinstance(again.subject, Account)
    assert (again.replayed, again.position, again.subject.granted) == (True, 0, 100)


def test_an_account_may_open_with_a_credit_limit() -> None:
    """The limit holds from the first command; opening without naming one asks for no other."""
    book = Book()
    book.open(credit_limit=50)
    book.reserve("r", 50)
    assert book.open().replayed
    assert book.balance().available == -50


def test_a_frozen_account_refuses_to_reserve_and_to_send(book: Book) -> None:
    """Nothing new may leave it."""
    book.open("b")
    book.grant(100)
    book.turn(AccountState.FROZEN)
    for act in (lambda: book.reserve("r", 1), lambda: book.send("t", 1)):
        with pytest.raises(CommandRefusedError) as refused:
            act()
        assert refused.value.reason == "ACCOUNT_FROZEN"


def test_a_frozen_account_goes_on_with_what_is_open(book: Book) -> None:
    """Capture, release, extend, grant, refund, void, adjustment and arrival go on."""
    book.open("b")
    book.grant(100, "g", account_id="b")
    book.grant(100, "x", priority=1)
    for reservation_id in ("r", "s"):
        book.reserve(reservation_id, 30)
    book.turn(AccountState.FROZEN)
    book.extend("r", DAY)
    book.capture("r", 30)
    book.release("s")
    book.grant(5, "y")
    book.refund("r", 10)
    book.reduce(1)
    book.void("x")
    book.send("t", 7, account_id="b", to="a")
    assert book.left() == {"y": 5, "grant_t": 7}
    assert (book.balance().spent, book.balance().voided) == (20, 80)


def test_a_frozen_account_thaws(book: Book) -> None:
    """Unfreezing it lets everything happen again; freezing what is frozen is no event."""
    book.grant(10)
    book.turn(AccountState.FROZEN, reason="chargeback")
    assert (book.kinds, book.last[0].reason) == (["ACCOUNT_FROZEN"], "chargeback")
    assert book.turn(AccountState.FROZEN).position == 0
    book.turn(AccountState.ACTIVE)
    assert book.kinds == ["ACCOUNT_UNFROZEN"]
    book.reserve("r", 10)


def test_an_empty_account_closes(book: Book) -> None:
    """Without credits there is nothing to declare; a closed one stays closed, and closing it again is no event."""
    book.turn(AccountState.CLOSED)
    assert book.turn(AccountState.CLOSED).position == 0
    with pytest.raises(CommandRefusedError) as refused:
        book.turn(AccountState.ACTIVE)
    assert refused.value.reason == "ACCOUNT_CLOSED"


def test_closing_with_disposal_withdraws_what_is_available(book: Book) -> None:
    """Every grant's rest is voided by the one event, and what is scheduled never comes in."""
    book.grant(10, priority=1)
    book.grant(20, lasts=HOUR)
    book.grant(40, begins_in=HOUR)
    book.spend(15)
    book.turn(AccountState.CLOSED, void_available=True)
    (event,) = book.last
    assert (event.amount_micros, event.available_after_micros) == (15, 0)
    assert parts(event.allocation_grants, event.allocation_amounts_micros) == [(2, 15)]
    book.wait(DAY)
    balance = book.balance()
    assert (balance.granted, balance.spent, balance.voided, balance.expired, book.left()) == (30, 15, 15, 0, {})


def test_closing_without_disposal_needs_an_empty_account(book: Book) -> None:
    """Credits, also scheduled ones, are not lost by an oversight."""
    book.grant(10, "g", begins_in=HOUR)
    with pytest.raises(CommandRefusedError) as refused:
        book.turn(AccountState.CLOSED)
    assert refused.value.fields["scheduled_micros"] == 10
    book.void("g")
    book.turn(AccountState.CLOSED)


def test_a_frozen_account_can_be_closed(book: Book) -> None:
    """It need not thaw before."""
    book.grant(10)
    book.turn(AccountState.FROZEN)
    book.turn(AccountState.CLOSED, void_available=True)
    assert book.account().state is AccountState.CLOSED


@pytest.mark.parametrize("declared", [False, True])
def test_what_is_open_keeps_an_account_open(book: Book, declared: bool) -> None:
    """A reservation, what is owed or a transfer under way must end before, whatever is declared about the rest."""
    book.limit(10)
    for begin, end in (
        (lambda: book.reserve("r", 5), lambda: book.capture("r", 5)),
        (lambda: None, lambda: book.grant(9)),
        (lambda: book.send("t", 4, to="elsewhere"), None),
    ):
        begin()
        with pytest.raises(CommandRefusedError) as refused:
            book.turn(AccountState.CLOSED, void_available=declared)
        assert refused.value.reason == "ACCOUNT_NOT_EMPTY"
        if end:
            end()
    assert refused.value.fields["transit_micros"] == 4
