"""Proof of a ledger: everything that follows from its log is computed again and compared with what is stored.

A page of commits at a time, so the log may be larger than memory; what a shard holds must fit, as it does in service.
Other work of the process goes on meanwhile.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.application.ledger import shard_of
from services.ledger.application.proof.fold_check import FoldCheck
from services.ledger.application.upkeep.parts import parts_of, snapshot_of
from services.ledger.domain.books import added
from services.ledger.domain.postings import Book
from services.ledger.store import audit, entries
from services.ledger.store.entries import row_of
from services.ledger.store.log import Commit
from services.ledger.store.snapshots import Snapshot
from services.runtime import clock
from services.runtime.postgres import Pool

PROBLEMS_MAX = 100
# Told how many events were checked more.
Progress = Callable[[int], None]
Row = tuple[Any, ...]


@dataclass(slots=True)
class Verified:
    """What was checked of a shard, and what is wrong: a sentence each, at most 100; none: all is as it must be."""

    shard: int
    commits: int = 0
    events: int = 0
    accounts: int = 0
    # How many entries and snapshots were compared with the fold.
    entries: int = 0
    snapshots: int = 0
    problems: list[str] = field(default_factory=list)
    books: dict[Book, int] = field(default_factory=dict)
    # Microcredits of transfers from here that have neither been completed nor returned.
    under_way: int = 0


async def verify(pool: Pool, progress: Progress | None = None) -> tuple[list[Verified], list[str]]:
    """Every shard as they were at one moment, and what is wrong between them."""
    heads = await audit.heads(pool)
    verified = [await verify_shard(pool, shard, progress, heads) for shard in heads]
    return verified, between(verified)


def between(verified: list[Verified]) -> list[str]:
    """What is wrong between all shards: transit holds what was sent and has not arrived, no more than is under way."""
    transit = added(one.books for one in verified)[Book.TRANSIT]
    under_way = sum(one.under_way for one in verified)
    if any(one.problems for one in verified) or 0 <= transit <= under_way:
        return []
    return [f"book transit: {transit} microcredits over all shards, transfers under way have {under_way}"]


async def verify_shard(
    pool: Pool, shard: int, progress: Progress | None = None, heads: Mapping[int, int] | None = None
) -> Verified:
    """One shard up to its head; `heads`: the last commit of every shard, where that was asked for before."""
    heads = heads or await audit.heads(pool)
    check = _ShardCheck(pool, shard, heads)
    await check.run(progress or (lambda _events: None))
    return check.result


class _ShardCheck:
    """The fold of a shard, and what is compared with it on the way."""

    def __init__(self, pool: Pool, number: int, heads: Mapping[int, int]) -> None:
        self._pool = pool
        self._number = number
        self._shards = len(heads)
        self._until = heads[number]
        self._fold = FoldCheck(number)
        self.result = Verified(number)
        self._expected: list[Row] = []
        self._last_entry = 0

    async def run(self, progress: Progress) -> None:
        """Checks all of it."""
        result, fold = self.result, self._fold
        snapshots = {one.seq: (one, has_commit) for one, has_commit in await audit.snapshots(self._pool, self._number)}
        projected = min(await audit.projected(self._pool, self._number), self._until)
        async for page in audit.commits(self._pool, self._number, self._until):
            for commit in page:
                for problem in fold.follow(commit):
                    self._add(problem)
                result.commits += 1
                result.events += commit.n
                if commit.seq <= projected:
                    await self._expect_entries(commit)
                if commit.seq in snapshots:
                    await self._compare_snapshot(snapshots[commit.seq][0])
                progress(commit.n)
                await asyncio.sleep(0)
        await self._compare_entries()
        await self._count_entries()
        if fold.seq != self._until:
            self._add(f"the log ends with commit {fold.seq}, not {self._until}")
        for snapshot, has_commit in snapshots.values():
            if not has_commit:
                self._add(f"snapshot {snapshot.seq}: the log has no such commit")
        self._finish()

    def _add(self, problem: str) -> None:
        if len(self.result.problems) < PROBLEMS_MAX:
            self.result.problems.append(f"shard {self._number}: {problem}")

    def _finish(self) -> None:
        result, fold = self.result, self._fold
        for problem in fold.finish():
            self._add(problem)
        for account in fold.shard.accounts.values():
            if shard_of(account.account_id, self._shards) != self._number:
                self._add(f"account {account.account_id} belongs to shard {shard_of(account.account_id, self._shards)}")
            result.under_way += sum(transfer.amount for transfer in account.transfers.values())
        result.accounts = len(fold.shard.accounts)
        result.books = fold.books

    # ---- snapshots

    async def _compare_snapshot(self, stored: Snapshot) -> None:
        """The fold has come to a snapshot's commit: it must hold the same, byte for byte."""
        if not self._fold.folds:
            return
        self.result.snapshots += 1
        problem = await self._difference(stored)
        # Old ones are deleted while the service goes on.
        if problem and await audit.count_parts(self._pool, stored) is not None:
            self._add(f"snapshot {stored.seq}: {problem}")

    async def _difference(self, stored: Snapshot) -> str:
        digests: list[bytes] = []
        for number, part in enumerate(parts_of(self._fold.shard)):
            if await audit.part(self._pool, stored, number) != part:
                return f"part {number} is not what the log comes to"
            digests.append(sha256(part).digest())
        if await audit.count_parts(self._pool, stored) != len(digests):
            return f"has more parts than the {len(digests)} that the log comes to"
        if stored != snapshot_of(self._fold.shard, digests):
            return "its hash, time, position or digests are not those of its commit"
        return ""

    # ---- entries

    async def _expect_entries(self, commit: Commit) -> None:
        """Remembers what the entries of a commit must be, and compares once these are many."""
        at = clock.from_us(commit.at)
        for offset, event in enumerate(self._fold.events):
            self._expected.append(row_of(commit.first_position + offset, commit.shard, at, event))
        self._last_entry = commit.first_position + commit.n - 1
        if len(self._expected) >= audit.PAGE_ENTRIES:
            await self._compare_entries()

    async def _compare_entries(self) -> None:
        expected, self._expected = self._expected, []
        found = await audit.entries(self._pool, [(row[0], row[1]) for row in expected])
        self.result.entries += len(expected)
        for row in expected:
            entry = found.get(row[1])
            if entry is None:
                self._add(f"entry {row[1]} of account {row[0]}: is missing")
            elif entry != row and (wrong := _differing(entry, row)):
                self._add(f"entry {row[1]} of account {row[0]}: its {wrong} is not what the log says")

    async def _count_entries(self) -> None:
        """Each entry that should be there was looked for by its key: more than these must not be."""
        count, beyond = await audit.count_entries(self._pool, self._number, self._last_entry)
        if count > self._last_entry:
            self._add(f"{count} entries up to position {self._last_entry}, {count - self._last_entry} too many")
        if beyond:
            self._add(f"{beyond} entries stand after the end of the log")


def _differing(entry: Row, expected: Row) -> str:
    """The first column that differs; "" where the two are the same event in other bytes."""
    for name, one, other in zip(entries.COLUMNS, entry, expected, strict=True):
        if one != other and not (name == "event" and pb.Event.FromString(one) == pb.Event.FromString(other)):
            return name
    return ""
