"""Double entry: what each kind of event moves between books."""

import pytest
from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.domain.account import AccountState
from services.ledger.domain.postings import Book as Ends
from services.ledger.domain.postings import postings
from tests.ledger.domain.book import DAY, HOUR, Book, kind_of


def moves(book: Book) -> list[tuple[str, Ends, Ends, int]]:
    """What the last commit moved, by kind of event."""
    return [(kind_of(event), *posting) for event in book.last for posting in postings(event, book.at)]


def test_a_reservation_moves_from_available_over_reserved_to_revenue(book: Book) -> None:
    """Issuance → available → reserved → revenue, and back with what is released and refunded."""
    book.grant(100)
    assert moves(book) == [("CREDITS_GRANTED", Ends.ISSUANCE, Ends.AVAILABLE, 100)]
    book.reserve("r", 60)
    assert moves(book) == [("CREDITS_RESERVED", Ends.AVAILABLE, Ends.RESERVED, 60)]
    book.capture("r", 20, final=False)
    assert moves(book) == [("RESERVATION_CAPTURED", Ends.RESERVED, Ends.REVENUE, 20)]
    book.capture("r", 70, up_to_available=True)
    assert moves(book) == [
        ("RESERVATION_CAPTURED", Ends.RESERVED, Ends.REVENUE, 40),
        ("RESERVATION_CAPTURED", Ends.AVAILABLE, Ends.REVENUE, 10),
    ]
    book.refund("r", 5)
    assert moves(book) == [("CAPTURE_REFUNDED", Ends.REVENUE, Ends.AVAILABLE, 5)]


def test_what_is_released_returns_to_available(book: Book) -> None:
    """By command, with a final capture, or by time."""
    book.grant(100)
    book.reserve("r", 60)
    book.capture("r", 50)
    assert moves(book)[1:] == [("RESERVATION_CAPTURED", Ends.RESERVED, Ends.AVAILABLE, 10)]
    book.reserve("s", 30)
    book.release("s")
    assert moves(book) == [("RESERVATION_RELEASED", Ends.RESERVED, Ends.AVAILABLE, 30)]
    book.reserve("t", 30, ttl=HOUR)
    book.wait(HOUR)
    assert moves(book) == [("RESERVATION_EXPIRED", Ends.RESERVED, Ends.AVAILABLE, 30)]


def test_what_lapses_is_breakage_and_what_is_withdrawn_returns_to_issuance(book: Book) -> None:
    """Expired credits were sold and never used; voided, adjusted and closed ones never were."""
    book.grant(10, "x", lasts=HOUR)
    book.wait(HOUR)
    assert moves(book) == [("GRANT_EXPIRED", Ends.AVAILABLE, Ends.BREAKAGE, 10)]
    book.grant(10, "y")
    book.void("y")
    assert moves(book) == [("GRANT_VOIDED", Ends.AVAILABLE, Ends.ISSUANCE, 10)]
    book.grant(10)
    book.reduce(3)
    assert moves(book) == [("BALANCE_REDUCED", Ends.AVAILABLE, Ends.ISSUANCE, 3)]
    book.turn(AccountState.CLOSED, void_available=True)
    assert moves(book) == [("ACCOUNT_CLOSED", Ends.AVAILABLE, Ends.ISSUANCE, 7)]


def test_a_scheduled_grant_is_issued_when_it_becomes_effective(book: Book) -> None:
    """Until then it is in no book, and voiding it moves nothing."""
    book.grant(10, "x", begins_in=HOUR)
    book.grant(10, "y", begins_in=HOUR)
    assert moves(book) == []
    book.void("x")
    assert moves(book) == []
    book.wait(HOUR)
    assert moves(book) == [("GRANT_EFFECTIVE", Ends.ISSUANCE, Ends.AVAILABLE, 10)]


def test_a_repayment_moves_nothing(book: Book) -> None:
    """It is within what is available: the grant came in, and the account owed as much."""
    book.limit(10)
    book.spend(10)
    book.grant(25)
    assert book.kinds == ["CREDITS_GRANTED", "CREDIT_REPAID"]
    assert moves(book) == [("CREDITS_GRANTED", Ends.ISSUANCE, Ends.AVAILABLE, 25)]


def test_a_transfer_between_shards_is_in_transit(book: Book) -> None:
    """It leaves into a book of its own, and comes from there when it arrives or returns."""
    book.grant(10)
    book.send("t", 4, to="far")
    assert moves(book) == [("TRANSFER_SENT", Ends.AVAILABLE, Ends.TRANSIT, 4)]
    book.receive("u", 6)
    assert moves(book) == [("CREDITS_GRANTED", Ends.TRANSIT, Ends.AVAILABLE, 6)]


@pytest.mark.parametrize("kind", [kind for kind in pb.EventKind.values() if kind], ids=pb.EventKind.Name)
def test_every_kind_of_event_has_postings(kind: pb.EventKind) -> None:
    """None, or positive amounts between two different books."""
    event = pb.Event(kind=kind, amount_micros=7, released_micros=2, overage_micros=3, effective_at=1)
    for posting in postings(event, DAY):
        assert posting.amount > 0
        assert posting.source is not posting.target


def test_an_unknown_kind_has_no_postings_by_mistake() -> None:
    """It raises: nothing moves unseen."""
    with pytest.raises(KeyError):
        postings(pb.Event(kind=99, amount_micros=1), DAY)  # type: ignore[arg-type]
