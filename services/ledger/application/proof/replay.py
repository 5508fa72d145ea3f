"""Folding a log as fast as it goes, in a process that does nothing else."""

from collections.abc import Callable
from dataclasses import dataclass

from services.ledger.application.shard import Shard
from services.ledger.application.upkeep.parts import digest_of
from services.ledger.domain.books import books_of
from services.ledger.domain.postings import Book
from services.ledger.store.log import LogStore
from services.runtime import clock

FOLD_COMMITS = 256


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the log of a shard comes to; `seconds` is for reading, checking the chain and folding."""

    shard: int
    commits: int
    events: int
    accounts: int
    seconds: float
    digest: str
    books: dict[Book, int]


async def fold_tail(store: LogStore, shard: Shard, folded: Callable[[int], None] = lambda _events: None) -> None:
    """Folds all that the log holds after `shard`; tells `folded` how many events each commit had.

    Raises BrokenChainError and UnknownEventError.
    """
    while commits := await store.read(shard.number, shard.seq, shard.hash, FOLD_COMMITS):
        for commit in commits:
            shard.fold(commit)
            folded(commit.n)


async def replay(dsn: str, number: int, folded: Callable[[int], None] = lambda _events: None) -> Replayed:
    """Folds a shard from its first commit, without snapshots."""
    store, shard = LogStore(dsn), Shard(number)
    began = clock.monotonic()
    try:
        await fold_tail(store, shard, folded)
    finally:
        await store.close()
    seconds = clock.monotonic() - began
    return Replayed(
        number,
        shard.seq,
        shard.next_position - 1,
        len(shard.accounts),
        seconds,
        digest_of(shard),
        books_of(shard.accounts.values()),
    )
