"""What every book holds, over all accounts in memory."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from services.ledger.application.ledger import Ledger
from services.ledger.application.shard import Shard
from services.ledger.domain.books import added, books_of
from services.ledger.domain.postings import Book

# So many take about two milliseconds, for which nothing else goes on.
ACCOUNTS_A_LOOK = 1_000


@dataclass(frozen=True, slots=True)
class Totals:
    """Microcredits by book, and how far each shard was read. Every account is seen whole, so the books sum to zero;
    while there is traffic, each is seen at a moment of its own."""

    books: dict[Book, int]
    positions: list[str]


async def totals_of(ledger: Ledger) -> Totals:
    """The books of all shards, a thousand accounts at a time."""
    books = dict.fromkeys(Book, 0)
    positions: list[str] = []
    for number in range(ledger.shards):
        start = 0
        while start >= 0:
            # The first look is at the head; the others need not ask for it again.
            look = _look(start)
            of_some, position, start = await ledger.read_shard(number, look, may_be_stale=start > 0)
            books = added((books, of_some))
        positions.append(position)
    return Totals(books, positions)


def _look(start: int) -> Callable[[Shard], tuple[dict[Book, int], str, int]]:
    def look(shard: Shard) -> tuple[dict[Book, int], str, int]:
        """The books of accounts from a place on, the position, and the place of the next ones; -1: these were all."""
        end = start + ACCOUNTS_A_LOOK
        some = islice(shard.accounts.values(), start, end)
        return books_of(some), f"{shard.number}:{shard.next_position - 1}", end if end < len(shard.accounts) else -1

    return look
