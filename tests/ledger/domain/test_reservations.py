"""Credits that are set aside, spent, given back."""

import pytest

from services.ledger.application.results import Answer, Refused
from services.ledger.domain import commands as cmd
from services.ledger.domain.account import Reservation, ReservationState
from services.ledger.domain.errors import CommandRefusedError
from tests.ledger.domain.book import DAY, HOUR, SECOND, Book, parts


def told(answer: Answer) -> tuple[str, int, int, int]:
    """State, reserved, captured and released of the reservation that an answer is about."""
    assert isinstance(answer.subject, Reservation)
    r = answer.subject
    return r.state.name, r.reserved, r.captured, r.released


def test_a_release_returns_to_the_grants_it_came_from(book: Book) -> None:
    """Release restores each grant exactly."""
    book.grant(10, "x", priority=1)
    book.grant(10, "y", priority=2)
    book.reserve("r", 15)
    assert told(book.release("r")) == ("RELEASED", 0, 0, 15)
    assert book.left() == {"x": 10, "y": 10}
    (event,) = book.last
    assert parts(event.allocation_grants, event.allocation_amounts_micros) == [(1, 10), (2, 5)]


def test_a_capture_consumes_in_burn_order(book: Book) -> None:
    """It takes from the grant that burnt first; a final one says which grants got the rest back."""
    book.grant(10, priority=1)
    book.grant(10, priority=2)
    book.reserve("r", 16)
    assert told(book.capture("r", 7)) == ("CAPTURED", 0, 7, 9)
    (event,) = book.last
    assert parts(event.allocation_grants, event.allocation_amounts_micros) == [(1, 7)]
    assert parts(event.released_grants, event.released_amounts_micros) == [(1, 3), (2, 6)]
    assert event.released_micros == 9


def test_partial_captures_are_cumulative_totals(book: Book) -> None:
    """A capture names the total, so saying it twice spends once; the last one gives back the rest."""
    book.grant(100)
    book.reserve("r", 60)
    assert told(book.capture("r", 20, final=False)) == ("OPEN", 40, 20, 0)
    assert told(book.capture("r", 20, final=False)) == ("OPEN", 40, 20, 0)
    assert told(book.capture("r", 50, final=False)) == ("OPEN", 10, 50, 0)
    assert (book.balance().spent, book.balance().reserved) == (50, 10)
    assert told(book.capture("r", 55)) == ("CAPTURED", 0, 55, 5)
    assert (book.balance().spent, book.balance().reserved, book.balance().available) == (55, 0, 45)


def test_a_final_capture_of_nothing_more_ends_a_reservation(book: Book) -> None:
    """The total may be what is captured already, or nothing at all."""
    book.grant(100)
    book.reserve("r", 60)
    book.capture("r", 20, final=False)
    assert told(book.capture("r", 20)) == ("CAPTURED", 0, 20, 40)
    book.reserve("s", 60)
    assert told(book.capture("s", 0)) == ("CAPTURED", 0, 0, 60)


def test_a_partly_captured_reservation_can_be_released(book: Book) -> None:
    """What was captured stays spent, what is left goes back."""
    book.grant(10, "x", priority=1)
    book.grant(10, "y", priority=2)
    book.reserve("r", 20)
    book.capture("r", 12, final=False)
    assert told(book.release("r")) == ("RELEASED", 0, 12, 8)
    assert (book.left(), book.balance().spent) == ({"x": 0, "y": 8}, 12)


def test_an_expired_reservation_gives_everything_back(book: Book) -> None:
    """Time ends a reservation as a release would, and then it can no longer be captured."""
    book.grant(100)
    book.reserve("r", 60, ttl=5 * SECOND)
    book.at += 5 * SECOND
    assert book.balance().available == 100, "due counts as lapsed before it is an event"
    with pytest.raises(CommandRefusedError) as refused:
        book.capture("r", 10)
    assert refused.value.reason == "RESERVATION_EXPIRED"
    assert (book.kinds, book.last[0].actor) == (["RESERVATION_EXPIRED"], "time")
    assert book.account().available == 100


def test_a_reservation_holds_until_its_last_microsecond(book: Book) -> None:
    """Due is `expires_at ≤ at`, not earlier."""
    book.grant(100)
    book.reserve("r", 60, ttl=SECOND)
    book.wait(SECOND - 1)
    assert told(book.capture("r", 60)) == ("CAPTURED", 0, 60, 0)


def test_an_extended_reservation_outlives_its_first_expiry(book: Book) -> None:
    """Only the latest expiry counts, and it is never moved back."""
    book.grant(100)
    book.reserve("r", 60, ttl=5 * SECOND)
    book.extend("r", DAY)
    answer = book.extend("r", SECOND)
    assert (answer.position, getattr(answer.subject, "expires_at", 0)) == (0, book.at + DAY)
    book.wait(HOUR)
    assert book.balance().reserved == 60
    book.wait(DAY)
    assert book.balance().reserved == 0


def test_a_balance_counts_a_due_reservation_whose_first_grant_is_spent(book: Book) -> None:
    """A hold that was captured whole gives nothing back, also before the expiry is an event."""
    book.grant(10, priority=1)
    book.grant(10, priority=2)
    book.reserve("r", 20, ttl=SECOND)
    book.capture("r", 10, final=False)
    book.at += SECOND
    assert (book.balance().available, book.balance().reserved, book.balance().spent) == (10, 0, 10)


def test_overage_takes_what_is_available_and_records_the_rest(book: Book) -> None:
    """Capturing up to what is available never takes it below zero; what is missing is the shortfall."""
    book.grant(70)
    book.reserve("r", 50)
    answer = book.capture("r", 100, up_to_available=True)
    assert (book.balance().spent, book.balance().available) == (70, 0)
    assert getattr(answer.subject, "shortfall", 0) == 30
    assert (book.last[0].overage_micros, book.last[0].shortfall_micros) == (20, 30)


def test_overage_never_takes_the_accounts_credit(book: Book) -> None:
    """A credit limit lets reserve more, not capture more than was reserved."""
    book.limit(1_000)
    book.reserve("r", 50)
    answer = book.capture("r", 100, up_to_available=True)
    assert (getattr(answer.subject, "captured", 0), getattr(answer.subject, "shortfall", 0)) == (50, 50)


def test_overage_from_a_grant_that_was_reserved_of_stands_once(book: Book) -> None:
    """The parts of an event name each grant once, what was held of it and what was taken beyond together."""
    book.grant(10, priority=1)
    book.grant(100, priority=2)
    book.reserve("r", 30)
    book.capture("r", 45, up_to_available=True)
    (event,) = book.last
    assert parts(event.allocation_grants, event.allocation_amounts_micros) == [(1, 10), (2, 35)]
    assert event.overage_micros == 15


def test_a_shortfall_is_what_the_last_total_misses(book: Book) -> None:
    """Totals are cumulative: the same one said twice misses the same, and more credits make it smaller."""
    book.grant(70)
    book.reserve("r", 50)
    for _ in range(2):
        answer = book.capture("r", 100, final=False, up_to_available=True)
        assert getattr(answer.subject, "shortfall", None) == 30
    book.grant(20)
    answer = book.capture("r", 100, up_to_available=True)
    assert (getattr(answer.subject, "captured", None), getattr(answer.subject, "shortfall", None)) == (90, 10)


def test_a_known_reservation_answers_as_it_is_now(book: Book) -> None:
    """Reserving under a known id, whoever asks, reserves nothing and tells the present state."""
    book.grant(100)
    book.reserve("r", 60)
    book.capture("r", 10, final=False)
    again = book.reserve("r", 60)
    assert (again.replayed, told(again)) == (True, ("OPEN", 50, 10, 0))
    assert (book.balance().reserved, book.balance().available) == (50, 40)


@pytest.mark.parametrize(
    ("end", "state"),
    [
        (lambda book: book.release("r"), ReservationState.RELEASED),
        (lambda book: book.capture("r", 60), ReservationState.CAPTURED),
        (lambda book: book.wait(SECOND), ReservationState.EXPIRED),
    ],
    ids=["released", "captured", "expired"],
)
def test_an_ended_reservation_is_not_made_again_while_it_is_remembered(book: Book, end, state) -> None:  # type: ignore[no-untyped-def]
    """Until its reserve's `not_after` its id answers how it ended; then it is free."""
    book.grant(100)
    book.reserve("r", 60, ttl=SECOND)
    end(book)
    again = book.reserve("r", 60)
    assert isinstance(again.subject, Reservation)
    assert (again.replayed, again.subject.state, book.balance().reserved) == (True, state, 0)
    assert book.kinds != ["CREDITS_RESERVED"]
    # Ids are dropped by the table: whole when the last one in it has lapsed, with the next commit.
    book.wait(3 * DAY)
    book.grant(1)
    assert told(book.reserve("r", 40))[:2] == ("OPEN", 40)


def test_nothing_of_a_reservation_stays_in_memory_when_it_ends(book: Book) -> None:
    """Reservations that have ended, and their deadlines, leave memory."""
    book.grant(1_000, lasts=365 * DAY)
    for turn in range(300):
        book.reserve(f"r{turn}", 1, ttl=DAY)
        book.release(f"r{turn}")
    account = book.account()
    assert account.open_reservations == {}
    assert len(account.deadlines or ()) <= 8 + 2 * 2


def test_a_reservation_of_nothing_can_end_like_any_other(book: Book) -> None:
    """A free call reserves zero: it is there, and captures zero."""
    assert told(book.reserve("r", 0)) == ("OPEN", 0, 0, 0)
    assert told(book.capture("r", 0)) == ("CAPTURED", 0, 0, 0)


def test_a_reservation_that_is_made_later_in_a_batch_was_not_there(book: Book) -> None:
    """What is not open is looked up after the commit; the answer is that of the command's place in the order."""
    book.grant(100)
    capture = book.command(
        cmd.CaptureReservation, reservation_id="r", captured_total=1, final=True, up_to_available=False
    )
    book.shard.begin(book.at)
    early = book.shard.execute(capture)
    book.shard.execute(book.command(cmd.ReserveCredits, reservation_id="r", amount=10, ttl=HOUR))
    book.commit()
    refused = book.resolved(early)
    assert isinstance(refused, Refused)
    assert refused.error.reason == "RESERVATION_NOT_FOUND"
