"""Postpaid accounts: what is reserved and spent ahead of a grant."""

import pytest

from services.ledger.domain.errors import CommandRefusedError
from tests.ledger.domain.book import DAY, HOUR, Book, parts


@pytest.fixture
def postpaid() -> Book:
    """Account `a` with a limit of 100 and a grant of 30."""
    book = Book()
    book.open(credit_limit=100)
    book.grant(30, "g")
    return book


def owed(book: Book) -> tuple[int, int, int]:
    """What is available, owed, and reserved on credit."""
    return book.account().available, book.account().owed, book.account().on_credit


def test_credit_lends_what_grants_lack(postpaid: Book) -> None:
    """Grants are taken first; grant 0 in the parts is the account's credit, down to minus the limit and no further."""
    postpaid.reserve("r", 130)
    (event,) = postpaid.last
    assert parts(event.allocation_grants, event.allocation_amounts_micros) == [(1, 30), (0, 100)]
    assert owed(postpaid) == (-100, 0, 100)
    with pytest.raises(CommandRefusedError) as refused:
        postpaid.reserve("s", 1)
    assert refused.value.reason == "INSUFFICIENT_CREDITS"


def test_a_release_takes_nothing_on_credit(postpaid: Book) -> None:
    """What was reserved on credit and not spent was never owed."""
    postpaid.reserve("r", 50)
    postpaid.capture("r", 40, final=False)
    assert owed(postpaid) == (-20, 10, 10)
    postpaid.release("r")
    assert owed(postpaid) == (-10, 10, 0)


def test_a_capture_on_credit_leaves_it_owed(postpaid: Book) -> None:
    """Available stays below zero until a grant pays."""
    postpaid.reserve("r", 50)
    postpaid.capture("r", 50)
    assert owed(postpaid) == (-20, 20, 0)
    assert (postpaid.balance().spent, postpaid.balance().reserved) == (50, 0)


def test_a_later_grant_repays_what_is_owed_in_the_same_commit(postpaid: Book) -> None:
    """The repayment is the ledger's own event; available does not change by it."""
    postpaid.spend(50)
    postpaid.grant(70, "new")
    assert postpaid.kinds == ["CREDITS_GRANTED", "CREDIT_REPAID"]
    event = postpaid.last[1]
    assert (event.amount_micros, event.actor, event.available_after_micros) == (20, "ledger", 50)
    assert parts(event.allocation_grants, event.allocation_amounts_micros) == [(2, 20)]
    assert (owed(postpaid), postpaid.left()["new"]) == ((50, 0, 0), 50)


def test_a_grant_repays_as_much_as_it_can(postpaid: Book) -> None:
    """What it cannot pay stays owed for the next."""
    postpaid.spend(50)
    postpaid.grant(5)
    assert owed(postpaid) == (-15, 15, 0)
    postpaid.grant(5)
    assert owed(postpaid) == (-10, 10, 0)


def test_what_is_reserved_on_credit_is_repaid_when_it_is_spent(postpaid: Book) -> None:
    """A grant that came in meanwhile pays at the capture, not before: the reservation may yet be released."""
    postpaid.reserve("r", 50)
    postpaid.grant(70, "new")
    assert (owed(postpaid), postpaid.left()["new"]) == ((50, 0, 20), 70)
    postpaid.capture("r", 50)
    assert postpaid.kinds == ["RESERVATION_CAPTURED", "CREDIT_REPAID"]
    assert (owed(postpaid), postpaid.left()["new"]) == ((50, 0, 0), 50)


def test_a_scheduled_grant_repays_when_it_becomes_effective(postpaid: Book) -> None:
    """By the event after the one that lets it in."""
    postpaid.spend(50)
    postpaid.grant(70, "later", begins_in=HOUR)
    assert owed(postpaid)[1] == 20
    postpaid.wait(HOUR)
    assert postpaid.kinds == ["GRANT_EFFECTIVE", "CREDIT_REPAID"]
    assert owed(postpaid) == (50, 0, 0)


def test_a_scheduled_grant_repays_before_it_lapses_however_late_the_ledger_looks(postpaid: Book) -> None:
    """What time led to does not depend on whether the ledger was running then."""
    postpaid.spend(50)
    postpaid.grant(70, "later", begins_in=HOUR, lasts=2 * HOUR)
    postpaid.wait(DAY)
    assert postpaid.kinds == ["GRANT_EFFECTIVE", "CREDIT_REPAID", "GRANT_EXPIRED"]
    assert (owed(postpaid), postpaid.balance().expired) == ((0, 0, 0), 50)


def test_a_refund_of_what_was_on_credit_reduces_what_is_owed(postpaid: Book) -> None:
    """The last taken first: here that is the credit, then the grant."""
    postpaid.spend(50, "r")
    postpaid.refund("r", 15)
    (event,) = postpaid.last
    assert parts(event.allocation_grants, event.allocation_amounts_micros) == [(0, 15)]
    assert owed(postpaid) == (-5, 5, 0)
    postpaid.refund("r", 15)
    assert (owed(postpaid), postpaid.left()) == ((10, 0, 0), {"g": 10})


def test_a_refund_of_credit_that_was_repaid_is_a_new_grant(postpaid: Book) -> None:
    """Nothing is owed any more, so it cannot become less."""
    postpaid.spend(50, "r")
    postpaid.grant(20)
    assert owed(postpaid) == (0, 0, 0)
    postpaid.refund("r", 20, "new")
    assert (owed(postpaid), postpaid.left()["new"]) == ((20, 0, 0), 20)


def test_a_refund_into_a_grant_repays_what_else_is_owed(postpaid: Book) -> None:
    """Credits that came back are used like any others."""
    postpaid.spend(30, "r")
    postpaid.spend(25)
    postpaid.refund("r", 30)
    assert postpaid.kinds == ["CAPTURE_REFUNDED", "CREDIT_REPAID"]
    assert (owed(postpaid), postpaid.left()) == ((5, 0, 0), {"g": 5})


def test_an_expired_grant_does_not_shake_what_is_on_credit(postpaid: Book) -> None:
    """Available goes below zero by what was covered only by it, and never below minus the limit."""
    postpaid.reserve("r", 130, ttl=DAY)
    postpaid.grant(50, lasts=HOUR)
    assert owed(postpaid) == (-50, 0, 100)
    postpaid.wait(HOUR)
    assert owed(postpaid) == (-100, 0, 100)


def test_the_limit_can_be_raised_and_lowered_to_what_is_used(postpaid: Book) -> None:
    """Used is what is owed and what is reserved on credit; below that it is refused."""
    postpaid.spend(40)
    postpaid.reserve("r", 20)
    assert owed(postpaid) == (-30, 10, 20)
    with pytest.raises(CommandRefusedError) as refused:
        postpaid.limit(29)
    assert refused.value.fields == {"requested_micros": 29, "used_micros": 30}
    postpaid.limit(30)
    assert (postpaid.kinds, postpaid.last[0].credit_limit_micros) == (["CREDIT_LIMIT_CHANGED"], 30)
    assert postpaid.limit(30).position == 0
    with pytest.raises(CommandRefusedError):
        postpaid.reserve("s", 1)
    postpaid.limit(31)
    postpaid.reserve("s", 1)


def test_credit_is_for_reservations_only(postpaid: Book) -> None:
    """Adjusting and sending take what is available, never ahead of a grant."""
    postpaid.open("b")
    for act in (lambda: postpaid.reduce(31), lambda: postpaid.send("t", 31)):
        with pytest.raises(CommandRefusedError) as refused:
            act()
        assert refused.value.fields["available_micros"] == 30
