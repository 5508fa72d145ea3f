"""What a shard holds, as the parts of a snapshot: small ones, and the same for equal states."""

import hashlib
from collections.abc import Iterator

from scrip.ledger.v1 import snapshot_pb2

from services.ledger.application.shard import Shard
from services.ledger.store.snapshots import Snapshot
from services.ledger.store.states import account_of, fill_account

# A part that is loaded beside other work takes some milliseconds.
PART_BYTES = 128 * 1024
ROW_BYTES = 24


def parts_of(shard: Shard) -> Iterator[bytes]:
    """The parts of what a shard holds, the same for equal states."""
    part, size = snapshot_pb2.SnapshotPart(), 0
    for account_id in sorted(shard.accounts):
        message = part.accounts.add()
        fill_account(message, shard.accounts[account_id])
        size += message.ByteSize()
        if size >= PART_BYTES:
            yield part.SerializeToString()
            part, size = snapshot_pb2.SnapshotPart(), 0
    if size:
        yield part.SerializeToString()
    rows_bytes = PART_BYTES // ROW_BYTES * ROW_BYTES
    for span, slots, filled_until, latest, rows in shard.request_ids.dump():
        for start in range(0, max(len(rows), 1), rows_bytes):
            ids = snapshot_pb2.SnapshotRequestIds(span=span, rows=rows[start : start + rows_bytes])
            if start == 0:
                ids.begins, ids.slots, ids.filled_until, ids.latest = True, slots, filled_until, latest
            yield snapshot_pb2.SnapshotPart(request_ids=[ids]).SerializeToString()


def add_part(shard: Shard, body: bytes) -> None:
    """Takes a part into a shard that holds those before it."""
    part = snapshot_pb2.SnapshotPart.FromString(body)
    for message in part.accounts:
        shard.restore(account_of(message))
    for ids in part.request_ids:
        if ids.begins:
            shard.request_ids.load(ids.span, ids.slots, ids.filled_until, ids.latest)
        shard.request_ids.load_rows(ids.span, ids.rows)


def snapshot_of(shard: Shard, part_digests: list[bytes]) -> Snapshot:
    """What is stored beside the parts of a shard as it is."""
    return Snapshot(shard.number, shard.seq, shard.at, shard.hash, shard.next_position, part_digests)


def digest_of(shard: Shard) -> str:
    """One value for all that a shard holds, in hex."""
    return snapshot_of(shard, [hashlib.sha256(part).digest() for part in parts_of(shard)]).digest
