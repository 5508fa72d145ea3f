"""What the callers of one history know together: which things there may be, and everything they were answered."""

import hashlib
import random
from dataclasses import dataclass, field
from typing import Any

SHARDS = 16
# All on one shard, each on another.
TOGETHER = 3
APART = 3


def shard_of(account_id: str) -> int:
    """The account's shard, as the ledger's documents say."""
    return int.from_bytes(hashlib.sha256(account_id.encode()).digest()[:8], "big") % SHARDS


@dataclass(frozen=True)
class Said:
    """A command and the answer it got in the end: a response, or a refusal with its numbers."""

    method: str
    request: Any
    response: Any = None
    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    # How often it was sent.
    attempts: int = 1
    # One of several that are all applied, or none.
    atomic: bool = False


@dataclass(frozen=True)
class Seen:
    """A balance that a caller read."""

    account_id: str
    response: Any


def some_accounts() -> list[str]:
    """Some accounts on one shard, and as many on others."""
    names = [f"account-{number}" for number in range(200)]
    home = shard_of(names[0])
    together = [name for name in names if shard_of(name) == home][:TOGETHER]
    others: dict[int, str] = {}
    for name in names:
        if shard_of(name) != home:
            others.setdefault(shard_of(name), name)
    return together + list(others.values())[:APART]


@dataclass
class World:
    """Shared by callers that share nothing else; things in it may have ended in the meantime."""

    choose: random.Random
    accounts: list[str] = field(default_factory=some_accounts)
    # Each with its account and amount.
    reservations: list[tuple[str, str, int]] = field(default_factory=list)
    grants: list[tuple[str, str]] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)

    def some_reservation(self) -> tuple[str, str, int] | None:
        """One of the last reservations that were made."""
        return self.choose.choice(self.reservations[-60:]) if self.reservations else None
