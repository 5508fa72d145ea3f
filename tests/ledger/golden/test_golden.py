"""Commits that were written once fold to the state they folded to then, for ever."""

import pytest
from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.application.shard import Shard
from services.ledger.domain.evolve import UnknownEventError
from services.ledger.domain.postings import postings
from services.ledger.store.log import Commit
from services.runtime import chain
from tests.ledger.domain.book import Book, kind_of
from tests.ledger.domain.checks import check_account
from tests.ledger.golden import files

UNKNOWN = 99


@pytest.mark.parametrize("name", files.names())
def test_an_old_commit_folds_to_what_it_did(name: str) -> None:
    """Under any new rules: events are outcomes, and what an event does to an account never changes."""
    shard = files.folded(name)
    assert files.state_of(shard) == files.expected(name)["state"]
    for account in shard.accounts.values():
        check_account(account)


@pytest.mark.parametrize("name", files.names())
def test_an_old_commit_is_read_to_the_last_byte(name: str) -> None:
    """No field of it is unknown: written again it is the same."""
    batch = files.batch(name)
    assert batch.SerializeToString() == (files.FOLDER / f"{name}.binpb").read_bytes()
    for event in batch.events:
        assert postings(event, batch.recorded_at.ToMicroseconds()) is not None


def test_every_kind_of_event_has_a_golden_file() -> None:
    """Whoever adds a kind writes down what it does."""
    kinds = {pb.EventKind.Name(kind).removeprefix("EVENT_KIND_") for kind in pb.EventKind.values() if kind}
    assert {files.kind_in(name) for name in files.names()} == kinds
    for name in files.names():
        assert files.kind_in(name) in map(kind_of, files.batch(name).events)


def test_an_unknown_kind_stops_the_fold(book: Book) -> None:
    """Loudly, and the shard stays before that commit: it is not read again from memory, and nothing can follow it.

    Events before the unknown one in the commit were applied; so whoever folds drops that memory (`Committer._stop`).
    """
    book.grant(100)
    shard = book.replayed()
    before = (shard.seq, shard.hash, shard.next_position, shard.at)
    commit = _commit(shard, [pb.Event(kind=UNKNOWN, account_id="a")])  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(UnknownEventError, match="99"):
            shard.fold(commit)
        assert (shard.seq, shard.hash, shard.next_position, shard.at) == before


def test_an_event_before_its_account_stops_the_fold() -> None:
    """The log must be read from its beginning."""
    shard = Shard(0)
    with pytest.raises(UnknownEventError, match="before it was opened"):
        shard.fold(_commit(shard, [pb.Event(kind=pb.EVENT_KIND_ACCOUNT_FROZEN, account_id="a")]))
    assert (shard.seq, shard.accounts) == (0, {})


def _commit(shard: Shard, events: list[pb.Event]) -> Commit:
    """A commit that follows a shard, as another program might write it."""
    body = pb.EventBatch(shard=0, seq=shard.seq + 1, first_position=shard.next_position, events=events)
    data = body.SerializeToString()
    seq, first, n, at = shard.seq + 1, shard.next_position, len(events), shard.at
    digest = chain.link(shard.hash, 0, seq, first, n, at, "newer", data)
    return Commit(0, seq, first, n, at, "newer", shard.hash, digest, data)
