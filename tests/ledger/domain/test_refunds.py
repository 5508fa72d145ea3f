"""Captured credits that are given back."""

import pytest
from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.domain.errors import CommandRefusedError
from tests.ledger.domain.book import DAY, HOUR, Book, parts

MONTH = 30 * DAY


def test_a_refund_goes_back_to_live_grants_the_last_taken_first(book: Book) -> None:
    """In the reverse of the order in which the capture took; spent becomes less by it."""
    book.grant(10, "x", priority=1)
    book.grant(10, "y", priority=2)
    book.spend(20, "r")
    book.refund("r", 14)
    (event,) = book.last
    assert parts(event.allocation_grants, event.allocation_amounts_micros) == [(2, 10), (1, 4)]
    assert (event.refunded_total_micros, event.reason) == (14, "complaint")
    assert (book.left(), book.balance().spent, book.balance().granted) == ({"x": 4, "y": 10}, 6, 20)


def test_refunds_are_partial_and_repeatable_up_to_what_was_captured(book: Book) -> None:
    """Each goes on where the one before stopped; together never more than was captured."""
    book.grant(10, "x", priority=1)
    book.grant(10, "y", priority=2)
    book.spend(15, "r")
    for amount, left in ((3, {"x": 0, "y": 8}), (4, {"x": 2, "y": 10}), (8, {"x": 10, "y": 10})):
        book.refund("r", amount)
        assert book.left() == left
    with pytest.raises(CommandRefusedError) as refused:
        book.refund("r", 1)
    assert refused.value.fields == {"requested_micros": 1, "captured_micros": 15, "refunded_micros": 15}


def test_a_refund_to_a_dead_grant_is_a_new_one_that_is_valid_for_thirty_days(book: Book) -> None:
    """Credits that come back late are of use."""
    book.grant(10, "x", lasts=HOUR)
    book.spend(10, "r")
    book.wait(DAY)
    book.refund("r", 6, "new")
    (event,) = book.last
    assert (event.grant_id, event.grant_number, event.source) == ("new", 2, pb.GRANT_SOURCE_REFUND)
    assert (event.expires_at, event.priority, book.left()) == (book.at + MONTH, 100, {"new": 6})
    assert (book.balance().granted, book.balance().spent) == (10, 4), "a refund is nothing that came in"
    book.wait(MONTH - 1)
    assert book.balance().available == 6
    book.wait(1)
    assert book.balance().expired == 6


def test_a_refund_to_live_and_dead_grants_is_shared_by_what_came_from_each(book: Book) -> None:
    """What came from a dead grant is skipped to the new one, and does not make the live one fuller than it was."""
    book.grant(10, "x", priority=1)
    book.grant(10, "dead", priority=2)
    book.grant(10, "z", priority=3)
    book.spend(25, "r")
    book.void("dead")
    book.refund("r", 25, "new")
    (event,) = book.last
    assert parts(event.allocation_grants, event.allocation_amounts_micros) == [(3, 5), (1, 10)]
    assert book.left() == {"x": 10, "z": 10, "new": 10}


def test_a_later_refund_passes_over_what_earlier_ones_gave_back(book: Book) -> None:
    """Also over the part that went to a new grant."""
    book.grant(10, "x", priority=1)
    book.grant(10, "dead", priority=2)
    book.spend(20, "r")
    book.void("dead")
    book.refund("r", 7, "first")
    book.refund("r", 7, "second")
    assert book.left() == {"x": 4, "first": 7, "second": 3}


def test_partial_captures_are_refunded_together(book: Book) -> None:
    """A grant that several captures drew on gets back what all of them took."""
    book.grant(10, "x", priority=1)
    book.grant(30, "y", priority=2)
    book.reserve("r", 30)
    book.capture("r", 5, final=False)
    book.capture("r", 18, final=False)
    book.refund("r", 10)
    assert (book.left(), book.balance().reserved) == ({"x": 2, "y": 18}, 12)
    book.capture("r", 30)
    book.refund("r", 20)
    assert (book.left(), book.balance().spent) == ({"x": 10, "y": 30}, 0)


def test_overage_can_be_refunded(book: Book) -> None:
    """What was captured beyond the reservation counts as captured."""
    book.grant(50, "x")
    book.reserve("r", 10)
    book.capture("r", 30, up_to_available=True)
    book.refund("r", 30)
    assert book.left() == {"x": 50}


def test_what_a_refund_gives_back_to_a_grant_lapses_with_it(book: Book) -> None:
    """A grant that is still live keeps its expiry."""
    book.grant(10, "x", lasts=HOUR)
    book.spend(10, "r")
    book.refund("r", 4)
    book.wait(HOUR)
    assert (book.balance().expired, book.left()) == (4, {})


def test_a_refund_to_a_grant_that_is_pinned_and_dead_is_a_new_one(book: Book) -> None:
    """A grant that waits for its last reservation takes nothing back."""
    book.grant(20, "x", lasts=HOUR)
    book.spend(5, "r")
    book.reserve("s", 15, ttl=DAY)
    book.wait(HOUR)
    book.refund("r", 5, "new")
    assert book.left() == {"x": 0, "new": 5}
