"""Which replica an account's commands go to.

Any replica may append to any shard; those that do so at the same time lose time to each other. So all callers send the
commands of a shard to one replica, without talking to each other: the one with the highest hash of shard and address.
"""

import functools
import hashlib
from collections.abc import Sequence

LANES = 2
"""Calls of a client that may be under way at a replica; while the ledger makes one durable, the next is on its way.

Calls that are under way together may arrive in any order, so an account is always in the same lane.
"""


@functools.lru_cache(maxsize=16_384)
def shard_of(account_id: str, shards: int) -> int:
    """The account's shard, 0 to `shards` - 1: the first 8 bytes, big-endian, of SHA-256 of its id, modulo `shards`."""
    return int.from_bytes(hashlib.sha256(account_id.encode()).digest()[:8], "big") % shards


def lane_of(shard: int) -> int:
    """The lane of a shard's accounts, 0 to `LANES` - 1."""
    return shard % LANES


def ranking(shard: int, addresses: Sequence[str]) -> list[str]:
    """The replicas in the order in which the shard prefers them. One that comes or goes moves only its own shards."""
    return sorted(addresses, key=lambda address: hashlib.sha256(f"{shard} {address}".encode()).digest(), reverse=True)
