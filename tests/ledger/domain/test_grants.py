"""Credits that come in, burn, lapse and are withdrawn."""

import pytest

from services.ledger.domain.decide import grants
from services.ledger.domain.errors import CommandRefusedError
from tests.ledger.domain.book import DAY, HOUR, SECOND, Book, parts


def test_grants_burn_by_priority_then_expiry_then_age_then_id(book: Book) -> None:
    """Lower priority burns first; among equals the one that lapses first, what never lapses last; then the older."""
    book.grant(10, "never", priority=50)
    book.grant(10, "soon", priority=50, lasts=DAY)
    book.grant(10, "first", priority=1)
    book.grant(10, "z", priority=200, lasts=HOUR)
    book.grant(10, "y", priority=200, lasts=HOUR)
    book.wait(SECOND)
    book.grant(10, "a", priority=200, lasts=HOUR - SECOND)
    order = []
    for turn in range(6):
        book.reserve(f"r{turn}", 10)
        (number,) = book.last[0].allocation_grants
        order.append(book.account().grant(number).grant_id)
    assert order == ["first", "soon", "never", "y", "z", "a"]


def test_a_grant_lapses_when_its_time_is_reached(book: Book) -> None:
    """Due is `expires_at ≤ at`: a microsecond before, it can be reserved; then it expires by an event of its own."""
    book.grant(100, "g", lasts=HOUR)
    book.wait(HOUR - 1)
    assert book.balance().available == 100
    book.wait(1)
    assert book.kinds == ["GRANT_EXPIRED"]
    assert (book.last[0].actor, book.last[0].amount_micros, book.last[0].grant_id) == ("time", 100, "g")
    assert (book.balance().available, book.balance().expired, book.left()) == (0, 100, {})


def test_expiry_never_takes_what_is_reserved(book: Book) -> None:
    """What is reserved of a grant outlives its expiry and can be captured."""
    book.grant(100, lasts=10 * SECOND)
    book.reserve("r", 60)
    book.wait(20 * SECOND)
    assert (book.balance().expired, book.balance().reserved, book.balance().available) == (40, 60, 0)
    book.capture("r", 60)
    assert (book.balance().spent, book.balance().expired, book.left()) == (60, 40, {})


def test_what_returns_to_an_expired_grant_expires_in_the_same_commit(book: Book) -> None:
    """A release gives it back, and an event of its own takes it away at once."""
    book.grant(100, "g", lasts=10 * SECOND)
    book.reserve("r", 60)
    book.wait(20 * SECOND)
    book.release("r")
    assert book.kinds == ["RESERVATION_RELEASED", "GRANT_EXPIRED"]
    assert [event.available_after_micros for event in book.last] == [60, 0]
    assert (book.balance().expired, book.left()) == (100, {})


def test_what_a_final_capture_returns_to_a_voided_grant_is_voided_in_the_same_commit(book: Book) -> None:
    """It goes the way its grant went, by the ledger's own rule."""
    book.grant(100, "g")
    book.reserve("r", 60)
    book.void("g")
    book.capture("r", 50)
    assert book.kinds == ["RESERVATION_CAPTURED", "GRANT_VOIDED"]
    assert (book.last[1].actor, book.last[1].amount_micros) == ("ledger", 10)
    assert (book.balance().spent, book.balance().voided, book.left()) == (50, 50, {})


def test_what_an_expired_reservation_returns_to_dead_grants_lapses_each_by_its_own_event(book: Book) -> None:
    """One expired, one voided: each part goes the way its grant went."""
    book.grant(10, "x", priority=1, lasts=SECOND)
    book.grant(10, "y", priority=2)
    book.reserve("r", 20, ttl=HOUR)
    book.void("y")
    book.wait(HOUR)
    assert sorted(book.kinds) == ["GRANT_EXPIRED", "GRANT_EXPIRED", "GRANT_VOIDED", "RESERVATION_EXPIRED"]
    assert (book.balance().expired, book.balance().voided, book.left()) == (10, 10, {})


def test_a_scheduled_grant_comes_in_when_it_becomes_effective_and_then_expires(book: Book) -> None:
    """Until its event it is no part of any total; it can then be reserved like any other, and lapses in its turn."""
    book.grant(100, "g", begins_in=HOUR, lasts=2 * HOUR)
    assert (book.last[0].available_after_micros, book.balance().granted) == (0, 0)
    with pytest.raises(CommandRefusedError):
        book.reserve("early", 1)
    book.wait(HOUR)
    assert book.kinds == ["GRANT_EFFECTIVE"]
    assert (book.last[0].available_after_micros, book.last[0].actor) == (100, "time")
    assert (book.balance().granted, book.balance().available) == (100, 100)
    book.reserve("r", 40, ttl=DAY)
    book.wait(HOUR)
    assert (book.kinds, book.balance().expired) == (["GRANT_EXPIRED"], 60)


def test_a_grant_is_effective_at_once_where_its_time_is_not_ahead(book: Book) -> None:
    """A time that has come meanwhile schedules nothing, and the event says when it really began."""
    book.grant(100, begins_in=-HOUR)
    assert (book.last[0].effective_at, book.balance().available) == (book.at, 100)


def test_a_grant_whose_time_passed_before_it_was_decided_is_refused(book: Book) -> None:
    """Credits that could never be spent are not sold."""
    with pytest.raises(CommandRefusedError) as refused:
        book.grant(100, lasts=-1)
    assert refused.value.fields == {"field": "expires_at", "expires_at": book.at - 1, "now": book.at}


def test_spent_grants_leave_room_for_others(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what can still be used counts towards the limit, now or later."""
    monkeypatch.setattr(grants, "GRANTS_MAX", 2)
    for _ in range(5):
        book.grant(10)
        book.spend(10)
    book.grant(1, begins_in=HOUR)
    book.grant(1)
    with pytest.raises(CommandRefusedError) as refused:
        book.grant(1)
    assert refused.value.reason == "TOO_MANY_GRANTS"


def test_voiding_a_scheduled_grant_takes_it_away_before_it_comes_in(book: Book) -> None:
    """It never counts, neither as granted nor as voided."""
    book.grant(100, "g", begins_in=HOUR)
    book.void("g")
    book.wait(DAY)
    assert book.kinds == ["GRANT_VOIDED"]
    assert (book.balance().granted, book.balance().voided, book.left()) == (0, 0, {})


def test_voiding_a_live_grant_takes_what_is_unspent(book: Book) -> None:
    """What was spent stays spent, and other grants are as they were."""
    book.grant(100, "g", priority=1)
    book.grant(5, "other")
    book.spend(30)
    answer = book.void("g")
    assert (answer.subject.amount_micros, book.balance().voided, book.left()) == (70, 70, {"other": 5})


def test_voiding_an_exhausted_grant_takes_nothing_and_ends_it(book: Book) -> None:
    """It is dead from there on: a refund no longer goes back to it."""
    book.grant(100, "g")
    book.spend(100, "r")
    book.void("g")
    assert (book.last[0].amount_micros, book.balance().voided) == (0, 0)
    book.refund("r", 10, "new")
    assert book.left() == {"new": 10}


def test_voiding_a_pinned_grant_leaves_what_is_reserved(book: Book) -> None:
    """Its reservation can be captured, and the grant leaves memory with the last of it."""
    book.grant(100, "g")
    book.reserve("r", 60)
    book.void("g")
    assert (book.balance().voided, book.balance().reserved, book.left()) == (40, 60, {"g": 0})
    book.capture("r", 60)
    assert (book.balance().spent, book.left()) == (60, {})


def test_an_adjustment_takes_what_is_available_in_burn_order(book: Book) -> None:
    """It counts as voided, and says from which grants it took."""
    book.grant(10, "x", priority=1)
    book.grant(10, "y", priority=2)
    book.reserve("r", 5)
    book.reduce(8)
    (event,) = book.last
    assert parts(event.allocation_grants, event.allocation_amounts_micros) == [(1, 5), (2, 3)]
    assert (event.amount_micros, event.reason, event.available_after_micros) == (8, "mistake", 7)
    assert (book.balance().voided, book.left()) == (8, {"x": 0, "y": 7})


def test_a_grant_keeps_what_was_said_about_it(book: Book) -> None:
    """What was paid, and why, is in its event."""
    book.grant(100, "g", lasts=DAY, paid_amount=990_000, paid_currency="EUR", reason="order 7")
    (event,) = book.last
    assert (event.paid_amount_micros, event.paid_currency, event.reason) == (990_000, "EUR", "order 7")
    assert (event.grant_number, event.priority, event.expires_at, event.effective_at) == (
        1,
        100,
        book.at + DAY,
        book.at,
    )
