"""One shard's log, checked commit by commit: the chain, and what its events say against what they do."""

from collections.abc import Iterator, Sequence

from google.protobuf.message import DecodeError
from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.application.shard import Shard
from services.ledger.domain.account import Account
from services.ledger.domain.books import books_of
from services.ledger.domain.postings import Book, postings
from services.ledger.store.log import Commit
from services.runtime import chain, clock


class FoldCheck:
    """Follows a log; `follow` and `finish` tell what is wrong, a sentence each.

    A commit that cannot be folded ends the checks that need the state; the chain is checked to the end.
    """

    def __init__(self, number: int) -> None:
        self.shard = Shard(number)
        self.folds = True
        self.books = dict.fromkeys(Book, 0)
        self.seq = 0
        self.next_position = 1
        self.at = 0
        # Of the commit that was followed last; none where they cannot be read.
        self.events: Sequence[pb.Event] = ()

    def follow(self, commit: Commit) -> Iterator[str]:
        """Checks the next commit that there is."""
        name = f"commit {commit.seq}"
        if commit.seq != self.seq + 1:
            missing = f"{self.seq + 1}" if commit.seq == self.seq + 2 else f"{self.seq + 1} to {commit.seq - 1}"
            yield f"{name}: the log lacks {missing} before it; what it does cannot be checked from here on"
            self.folds = False
        else:
            if commit.first_position != self.next_position:
                yield f"{name}: begins at position {commit.first_position}, not {self.next_position}"
            if not _is_linked(commit):
                yield f"{name}: its hash is not that of what is stored and of the commit before it"
        if commit.at < self.at:
            yield f"{name}: recorded at {_iso(commit.at)}, before the one before it ({_iso(self.at)})"
        self.seq, self.at = commit.seq, commit.at
        self.next_position = commit.first_position + commit.n
        try:
            batch = pb.EventBatch.FromString(commit.body)
        except DecodeError:
            yield f"{name}: its body cannot be read; what it does cannot be checked from here on"
            self.folds, self.events = False, ()
            return
        self.events = batch.events
        if _header(batch) != (commit.shard, commit.seq, commit.first_position, commit.at, commit.writer, commit.n):
            yield f"{name}: its body names another place, time, writer or number of events than its row"
        if batch.previous_hash != commit.previous_hash:
            yield f"{name}: its body names another commit before it"
        if self.folds:
            yield from self._fold(name, commit, batch)

    def _fold(self, name: str, commit: Commit, batch: pb.EventBatch) -> Iterator[str]:
        """Every event's after-values follow from its postings, and at the end of the commit from the fold."""
        shard = self.shard
        after: dict[str, tuple[int, int]] = {}
        try:
            for index, event in enumerate(batch.events):
                available, reserved = after.get(event.account_id) or _now(shard.accounts.get(event.account_id))
                for posting in postings(event, commit.at):
                    if posting.amount < 0:
                        yield f"{name}: event {index} ({_kind(event)}) moves {posting.amount} microcredits"
                    self.books[posting.source] -= posting.amount
                    self.books[posting.target] += posting.amount
                    available += _change(posting.source, posting.target, posting.amount, Book.AVAILABLE)
                    reserved += _change(posting.source, posting.target, posting.amount, Book.RESERVED)
                after[event.account_id] = available, reserved
                said = event.available_after_micros, event.reserved_after_micros
                if said != (available, reserved):
                    yield (
                        f"{name}: event {index} ({_kind(event)}) leaves account {event.account_id} {said[0]} available"
                        f" and {said[1]} reserved by what it says, {available} and {reserved} by what it moves"
                    )
            shard.apply(batch.events, commit.seq, commit.at)
        # Whatever a damaged event makes the fold do is a finding here.
        except Exception as error:  # noqa: BLE001
            yield f"{name}: cannot be folded ({type(error).__name__}: {error}); what follows is not checked"
            self.folds = False
            return
        shard.seq, shard.hash, shard.at = commit.seq, commit.hash, commit.at
        shard.next_position = self.next_position
        shard.request_ids.forget(commit.at)
        for account_id, values in after.items():
            if values != (now := _now(shard.accounts.get(account_id))):
                yield (
                    f"{name}: account {account_id} folds to {now[0]} available and {now[1]} reserved, its events move"
                    f" it to {values[0]} and {values[1]}"
                )

    def finish(self) -> Iterator[str]:
        """Checks every account, and the books against all of them."""
        if not self.folds:
            return
        for account in self.shard.accounts.values():
            yield from _unequal(account)
        totals = books_of(self.shard.accounts.values())
        for book, amount in self.books.items():
            if amount != totals[book]:
                yield f"book {book.value}: postings come to {amount}, accounts to {totals[book]}"


def _is_linked(commit: Commit) -> bool:
    """Against the hash that is stored before it: one row that was changed is told once."""
    digest = chain.link(
        commit.previous_hash,
        commit.shard,
        commit.seq,
        commit.first_position,
        commit.n,
        commit.at,
        commit.writer,
        commit.body,
    )
    return digest == commit.hash


def _unequal(account: Account) -> Iterator[str]:
    a = account
    if a.granted != a.available + a.reserved + a.spent + a.expired + a.voided:
        yield (
            f"account {a.account_id}: granted {a.granted} is not available {a.available} + reserved {a.reserved}"
            f" + spent {a.spent} + expired {a.expired} + voided {a.voided}"
        )
    grants = sum(grant.available for grant in a.grants) - a.owed - a.on_credit
    if a.available != grants:
        yield f"account {a.account_id}: {a.available} available, but its grants less its credit come to {grants}"
    held = sum(grant.reserved for grant in a.grants) + a.on_credit
    open_ = sum(reservation.reserved for reservation in a.open_reservations.values())
    if not a.reserved == held == open_:
        yield f"account {a.account_id}: {a.reserved} reserved, {held} of grants and credit, {open_} by reservations"


def _now(account: Account | None) -> tuple[int, int]:
    return (account.available, account.reserved) if account else (0, 0)


def _change(source: Book, target: Book, amount: int, book: Book) -> int:
    return amount * ((target is book) - (source is book))


def _header(batch: pb.EventBatch) -> tuple[int, int, int, int, str, int]:
    at = batch.recorded_at.ToMicroseconds()
    return batch.shard, batch.seq, batch.first_position, at, batch.writer, len(batch.events)


def _kind(event: pb.Event) -> str:
    try:
        return pb.EventKind.Name(event.kind).removeprefix("EVENT_KIND_")
    except ValueError:
        return f"kind {event.kind}"


def _iso(micros: int) -> str:
    return clock.from_us(micros).isoformat()
