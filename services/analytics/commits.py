"""One commit of an owner's log, as its message or its owner tells it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from google.protobuf.message import DecodeError

from services.runtime import chain, clock


class UnreadableMessage(Exception):
    """A message that is not a commit of a log that is followed."""


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit. `events` are the messages of the source's own proto; event i stands at `first_position + i`."""

    source: str
    shard: int
    seq: int
    previous_hash: bytes
    hash: bytes
    first_position: int
    recorded_at: datetime
    events: Sequence[Any]


def from_batch(source: str, batch: Any, digest: bytes) -> Commit:
    """The commit of an `EventBatch` and its chain value."""
    return Commit(
        source,
        batch.shard,
        batch.seq,
        batch.previous_hash,
        digest,
        batch.first_position,
        clock.from_us(batch.recorded_at.ToMicroseconds()),
        batch.events,
    )


def from_message(source: str, batch_type: type[Any], shard: int, body: bytes) -> Commit:
    """The commit of a published body; its chain value is computed from the very bytes.

    Raises UnreadableMessage.
    """
    batch = batch_type()
    try:
        batch.ParseFromString(body)
    except DecodeError as error:
        raise UnreadableMessage(f"not an EventBatch: {error}") from error
    if batch.shard != shard or not batch.seq:
        raise UnreadableMessage(f"commit {batch.seq} of shard {batch.shard} published for shard {shard}")
    try:
        digest = chain.link(
            batch.previous_hash,
            batch.shard,
            batch.seq,
            batch.first_position,
            len(batch.events),
            batch.recorded_at.ToMicroseconds(),
            batch.writer,
            body,
        )
        return from_batch(source, batch, digest)
    except (ValueError, OverflowError) as error:
        raise UnreadableMessage(f"no time that exists: {error}") from error
