"""The books of accounts, from their totals: what the postings of their events must come to."""

from collections.abc import Iterable

from services.ledger.domain.account import Account
from services.ledger.domain.postings import Book


def books_of(accounts: Iterable[Account]) -> dict[Book, int]:
    """Microcredits in each book; together zero. Transit is positive where more was sent than came in."""
    books = dict.fromkeys(Book, 0)
    for account in accounts:
        transit = account.more.transferred_out - account.more.transferred_in
        books[Book.AVAILABLE] += account.available
        books[Book.RESERVED] += account.reserved
        books[Book.REVENUE] += account.spent
        books[Book.BREAKAGE] += account.expired
        books[Book.TRANSIT] += transit
        books[Book.ISSUANCE] -= account.granted - account.voided + transit
    return books


def added(books: Iterable[dict[Book, int]]) -> dict[Book, int]:
    """The books of several shards together."""
    total = dict.fromkeys(Book, 0)
    for one in books:
        for book, amount in one.items():
            total[book] += amount
    return total
