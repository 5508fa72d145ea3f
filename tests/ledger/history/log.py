"""The whole log as ReadEvents gives it, checked as bytes: chain, numbers, positions, times."""

import hashlib
import struct
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from scrip.ledger.v1 import events_pb2 as pb
from scrip.ledger.v1 import ledger_pb2, ledger_pb2_grpc

from services.runtime.grpc_client import Peer
from tests.ledger.history.fold import Account

READ_SECONDS = 60
GENESIS = bytes(32)
_HEADER = struct.Struct(">IQQIqH")


@dataclass
class Log:
    """What all shards' commits say together."""

    # (shard, position) → event
    events: dict[tuple[int, int], Any] = field(default_factory=dict)
    # (account, request id) → the positions of its events
    requests: dict[tuple[str, str], list[tuple[int, int]]] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    # Of each account: its credits and next deadline after each of its events, in order.
    told: dict[str, list[tuple[int, tuple[int, ...], int]]] = field(default_factory=dict)
    # Signed; all together are zero.
    books: Counter[str] = field(default_factory=Counter)
    writers: set[str] = field(default_factory=set)
    commits: int = 0

    def credits_at(self, account_id: str, position: int) -> tuple[tuple[int, ...], int]:
        """An account's credits after the event at a position of its shard, and when something is due next."""
        told = self.told[account_id]
        _, credits, due = told[bisect_right(told, position, key=lambda one: one[0]) - 1]
        return credits, due


async def read(peer: Peer) -> Log:
    """Reads the log to its head and folds it; AssertionError where it breaks a rule."""
    stub = ledger_pb2_grpc.LedgerServiceStub(peer.channel)
    log = Log()
    heads: dict[int, tuple[int, int, int, bytes]] = {}
    async for response in peer.stream(stub.ReadEvents, ledger_pb2.ReadEventsRequest(), timeout=READ_SECONDS):
        batch = response.batch
        seq, position, at, previous = heads.get(batch.shard, (0, 1, 0, GENESIS))
        recorded_at = batch.recorded_at.ToMicroseconds()
        assert (batch.seq, batch.first_position) == (seq + 1, position), "neither commits nor positions have a gap"
        assert batch.events, "no commit is empty"
        assert recorded_at >= at, "time never goes back"
        assert batch.previous_hash == previous
        assert _link(previous, batch) == response.hash, "each hash covers its commit and all before"
        heads[batch.shard] = (batch.seq, position + len(batch.events), recorded_at, response.hash)
        log.commits += 1
        log.writers.add(batch.writer)
        for offset, event in enumerate(batch.events):
            _apply(log, batch.shard, position + offset, event, recorded_at)
    return log


def _link(previous: bytes, batch: Any) -> bytes:
    writer = batch.writer.encode()
    at = batch.recorded_at.ToMicroseconds()
    header = _HEADER.pack(batch.shard, batch.seq, batch.first_position, len(batch.events), at, len(writer))
    # Nothing of these histories has maps of several keys, so the bytes follow from the content.
    return hashlib.sha256(previous + header + writer + batch.SerializeToString()).digest()


def _apply(log: Log, shard: int, position: int, event: Any, at: int) -> None:
    where = f"{shard}:{position} {pb.EventKind.Name(event.kind)} of {event.account_id}"
    account = log.accounts.get(event.account_id)
    assert (account is None) == (event.kind == pb.EVENT_KIND_ACCOUNT_OPENED), where
    if account is None:
        account = log.accounts[event.account_id] = Account()
    before = account.credits()
    try:
        account.apply(event, at)
    except (AssertionError, KeyError) as error:
        raise AssertionError(f"{where}: {error!r}\n{event}{account}") from error
    log.events[shard, position] = event
    if event.request_id:
        log.requests.setdefault((event.account_id, event.request_id), []).append((shard, position))
    log.told.setdefault(event.account_id, []).append((position, account.credits(), account.next_deadline()))
    _post(log.books, event, [after - was for after, was in zip(account.credits(), before, strict=True)])


def _post(books: Counter[str], event: Any, change: list[int]) -> None:
    """What an event did to its account, and the other end of it: issuance, or transit for what is between accounts."""
    granted, available, reserved, spent, expired, voided = change
    books.update(available=available, reserved=reserved, revenue=spent, breakage=expired)
    outside = "transit" if event.transfer_id else "issuance"
    books[outside] -= granted - voided
