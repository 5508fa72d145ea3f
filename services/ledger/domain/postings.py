"""Double entry: what an event moves between books. Every posting has two ends and a positive amount."""

from enum import Enum
from typing import NamedTuple

from scrip.ledger.v1 import events_pb2 as pb


class Book(Enum):
    """Where credits are. All books together hold zero: what accounts have, issuance lacks."""

    ISSUANCE = "issuance"
    AVAILABLE = "available"
    RESERVED = "reserved"
    REVENUE = "revenue"
    BREAKAGE = "breakage"
    TRANSIT = "transit"


class Posting(NamedTuple):
    """An amount leaves one book for another; microcredits, above 0."""

    source: Book
    target: Book
    amount: int


def postings(event: pb.Event, at: int) -> list[Posting]:
    """The postings of an event recorded at `at`; none where nothing moves. Raises KeyError for an unknown kind."""
    kind, amount = event.kind, event.amount_micros
    if kind == pb.EVENT_KIND_RESERVATION_CAPTURED:
        moves = [
            Posting(Book.RESERVED, Book.REVENUE, amount - event.overage_micros),
            Posting(Book.AVAILABLE, Book.REVENUE, event.overage_micros),
            Posting(Book.RESERVED, Book.AVAILABLE, event.released_micros),
        ]
    elif kind == pb.EVENT_KIND_CREDITS_GRANTED:
        source = Book.TRANSIT if event.transfer_id else Book.ISSUANCE
        # A grant for later comes in when it becomes effective.
        moves = [] if event.effective_at > at else [Posting(source, Book.AVAILABLE, amount)]
    else:
        ends = _ENDS[kind]
        moves = [Posting(*ends, amount)] if ends else []
    return [posting for posting in moves if posting.amount]


_ENDS: dict[int, tuple[Book, Book] | None] = {
    pb.EVENT_KIND_ACCOUNT_OPENED: None,
    pb.EVENT_KIND_GRANT_EXPIRED: (Book.AVAILABLE, Book.BREAKAGE),
    pb.EVENT_KIND_CREDITS_RESERVED: (Book.AVAILABLE, Book.RESERVED),
    pb.EVENT_KIND_RESERVATION_EXTENDED: None,
    pb.EVENT_KIND_RESERVATION_RELEASED: (Book.RESERVED, Book.AVAILABLE),
    pb.EVENT_KIND_RESERVATION_EXPIRED: (Book.RESERVED, Book.AVAILABLE),
    pb.EVENT_KIND_REQUEST_REFUSED: None,
    pb.EVENT_KIND_ACCOUNT_FROZEN: None,
    pb.EVENT_KIND_ACCOUNT_UNFROZEN: None,
    pb.EVENT_KIND_ACCOUNT_CLOSED: (Book.AVAILABLE, Book.ISSUANCE),
    pb.EVENT_KIND_CREDIT_LIMIT_CHANGED: None,
    pb.EVENT_KIND_GRANT_EFFECTIVE: (Book.ISSUANCE, Book.AVAILABLE),
    pb.EVENT_KIND_GRANT_VOIDED: (Book.AVAILABLE, Book.ISSUANCE),
    pb.EVENT_KIND_CAPTURE_REFUNDED: (Book.REVENUE, Book.AVAILABLE),
    pb.EVENT_KIND_BALANCE_REDUCED: (Book.AVAILABLE, Book.ISSUANCE),
    pb.EVENT_KIND_TRANSFER_SENT: (Book.AVAILABLE, Book.TRANSIT),
    pb.EVENT_KIND_TRANSFER_COMPLETED: None,
    pb.EVENT_KIND_TRANSFER_RETURNED: (Book.TRANSIT, Book.AVAILABLE),
    # Within what is available: a grant pays what the account owes.
    pb.EVENT_KIND_CREDIT_REPAID: None,
    pb.EVENT_KIND_TRANSFER_REJECTED: None,
}
