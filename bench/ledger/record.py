"""What callers were told, kept apart from the ledger; and the ledger's log, looked through with nothing of the ledger's
but the format of its rows."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import psycopg
from scrip.ledger.v1 import events_pb2 as pb

from services.runtime import chain, clock
from services.runtime.packing import unpack

ENDINGS = frozenset({pb.EVENT_KIND_RESERVATION_CAPTURED, pb.EVENT_KIND_RESERVATION_RELEASED})
PAGE = 1_000


@dataclass(frozen=True)
class Told:
    """An answer: a command was done, or refused for lack of credits."""

    kind: int
    account_id: str
    reservation_id: str
    amount: int


@dataclass
class Record:
    """All that was told. Amounts are microcredits."""

    granted: dict[str, int] = field(default_factory=dict)
    """By account."""

    told: dict[str, Told] = field(default_factory=dict)
    """By request id."""

    stale: list[str] = field(default_factory=list)
    """Reads that did not show what had been told before."""

    negative: list[str] = field(default_factory=list)
    """Reads with less than nothing."""

    spent: Counter[str] = field(default_factory=Counter)
    """By account: what was captured."""

    def tell(self, request_id: str, kind: int, account_id: str, reservation_id: str, amount: int) -> None:
        """Keeps an answer."""
        self.told[request_id] = Told(kind, account_id, reservation_id, amount)
        if kind == pb.EVENT_KIND_RESERVATION_CAPTURED:
            self.spent[account_id] += amount

    def available(self, account_id: str) -> int:
        """What an account must have when none of its reservations is open."""
        return self.granted[account_id] - self.spent[account_id]


@dataclass
class Faults:
    """What is wrong, each in a few words."""

    lost: list[str] = field(default_factory=list)
    double: list[str] = field(default_factory=list)
    negative: list[str] = field(default_factory=list)
    inconsistent: list[str] = field(default_factory=list)


def examine(dsn: str, record: Record) -> Faults:
    """Compares the log with what was told, when nothing is under way any more."""
    faults = Faults(negative=list(record.negative))
    compare(_events(dsn, faults), record, faults)
    return faults


def compare(events: Iterable[pb.Event], record: Record, faults: Faults) -> None:
    """Adds to the faults what events, in the order of their accounts' logs, and answers disagree on."""
    kept: dict[str, Told] = {}
    counts: Counter[tuple[str, str]] = Counter()
    last: dict[str, pb.Event] = {}
    for event in events:
        told = Told(event.kind, event.account_id, event.reservation_id, event.amount_micros)
        if event.request_id:
            counts["request", event.request_id] += 1
            kept.setdefault(event.request_id, told)
        if event.kind == pb.EVENT_KIND_CREDITS_RESERVED:
            counts["making of reservation", event.reservation_id] += 1
        elif event.kind in ENDINGS:
            counts["ending of reservation", event.reservation_id] += 1
        if event.available_after_micros < 0 or event.reserved_after_micros < 0:
            faults.negative.append(f"account {event.account_id} after request {event.request_id}")
        last[event.account_id] = event
    faults.double += [f"{what} {name}" for (what, name), count in counts.items() if count > 1]
    for request_id, told in record.told.items():
        if request_id not in kept:
            faults.lost.append(f"request {request_id}: told {told}")
        elif kept[request_id] != told:
            faults.inconsistent.append(f"request {request_id}: told {told}, kept {kept[request_id]}")
    for account_id in record.granted:
        after = (last[account_id].available_after_micros, last[account_id].reserved_after_micros)
        if after != (record.available(account_id), 0):
            faults.inconsistent.append(f"account {account_id}: {after}, not {record.available(account_id)}")


def _events(dsn: str, faults: Faults) -> Iterator[pb.Event]:
    """All events in the order of their shards; a commit that does not follow the one before it is a fault."""
    with psycopg.connect(dsn) as connection, connection.cursor("log") as cursor:
        cursor.itersize = PAGE
        cursor.execute("SELECT shard, seq, first_position, n, at, writer, hash, body FROM log ORDER BY shard, seq")
        previous, place = b"", (-1, 0, 1)
        for shard, seq, first_position, n, at, writer, digest, stored in cursor:
            body = unpack(bytes(stored))
            if seq == 0:
                previous, place = digest, (shard, 1, 1)
                continue
            linked = chain.link(previous, shard, seq, first_position, n, clock.to_us(at), writer, body)
            if (shard, seq, first_position) != place or linked != digest:
                faults.inconsistent.append(f"commit {seq} of shard {shard}")
            previous, place = digest, (shard, seq + 1, first_position + n)
            yield from pb.EventBatch.FromString(body).events
