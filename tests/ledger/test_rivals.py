"""Two ledgers on one database and one shard: whoever appends first is right, and the other finds out."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from scrip.ledger.v1 import events_pb2 as pb

from services.cli.local.spawn import guarded
from services.ledger.application import committer
from services.ledger.application.committer import LOCKED_COMMITS, LOSSES_MAX
from services.ledger.application.ledger import shard_of
from services.ledger.application.results import Refused
from services.ledger.application.shard import Shard
from services.ledger.domain import commands as cmd
from services.ledger.store.log import LogStore
from tests.harness.databases import Database, Databases
from tests.ledger.ledgers import (
    SHARDS,
    capture,
    done,
    events_of,
    folded,
    grant,
    open_account,
    place_of,
    release,
    reserve,
    result_of,
    running,
    send,
    state,
)

CALLERS = 12
TURNS = 12
GRANT = 100
DEADLINE_SECONDS = 30


@pytest.fixture
def database(databases: Databases) -> Database:
    """A database of the test's own."""
    return databases.create("ledger")


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The shards whose lock was taken, once for each time."""
    shards: list[int] = []
    take = LogStore.locked

    def counted(store: LogStore, shard: int) -> Any:
        shards.append(shard)
        return take(store, shard)

    monkeypatch.setattr(LogStore, "locked", counted)
    return shards


@pytest.mark.parametrize("losses_max", [1, LOSSES_MAX])
async def test_rivals_lose_and_double_nothing(
    database: Database, locked: list[int], monkeypatch: pytest.MonkeyPatch, losses_max: int
) -> None:
    """Callers who choose at random between two ledgers spend a grant to the last credit and no further; both commit,
    whether they race or take turns."""
    monkeypatch.setattr(committer, "LOSSES_MAX", losses_max)
    choose = random.Random(7)
    captured: list[str] = []
    refused: list[str] = []
    async with running(database, "a", "b") as ledgers, asyncio.timeout(DEADLINE_SECONDS):
        number = ledgers[0].shard_number("hot")
        await done(ledgers[0], open_account("hot"))
        await done(ledgers[0], grant("hot", GRANT))

        async def call(caller: int) -> None:
            for turn in range(TURNS):
                reservation_id = f"r-{caller}-{turn}"
                command = reserve("hot", reservation_id, 1)
                if isinstance(await result_of(choose.choice(ledgers), command), Refused):
                    refused.append(reservation_id)
                    continue
                # Said again to the other: one of the two answers is the replay.
                answers = [await done(ledger, command) for ledger in ledgers]
                assert all(answer.replayed for answer in answers)
                await done(choose.choice(ledgers), capture("hot", reservation_id, 1))
                captured.append(reservation_id)

        await asyncio.gather(*(call(caller) for caller in range(CALLERS)))
        balances = [(await ledger.balance("hot"))[1] for ledger in ledgers]
        memories = [state(place_of(ledger, "hot").shard) for ledger in ledgers]
        writers = await writers_of(database, number)
    assert len(captured) == GRANT
    assert len(captured) + len(refused) == CALLERS * TURNS
    assert [(b.granted, b.spent, b.available, b.reserved) for b in balances] == [(GRANT, GRANT, 0, 0)] * 2
    fresh = state(await folded(database, number))
    assert memories == [fresh, fresh]
    assert writers == {"a", "b"}
    assert number in locked or losses_max > 1
    seen = [(event.kind, event.reservation_id) for event in await events_of(database, number) if event.reservation_id]
    assert sorted(seen) == sorted(
        [(pb.EVENT_KIND_CREDITS_RESERVED, r) for r in captured]
        + [(pb.EVENT_KIND_RESERVATION_CAPTURED, r) for r in captured]
        + [(pb.EVENT_KIND_REQUEST_REFUSED, r) for r in refused]
    )


async def writers_of(database: Database, number: int) -> set[str]:
    """Who appended to a shard."""
    async with await psycopg.AsyncConnection.connect(database.owner_dsn) as owner:
        rows = await owner.execute("SELECT DISTINCT writer FROM log WHERE shard = %s AND seq > 0", (number,))
        return {writer for (writer,) in await rows.fetchall()}


async def test_who_always_loses_appends_under_the_lock(
    database: Database, locked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After three losses in a row a ledger takes the shard's lock, which its rival then waits for too, and goes on."""
    append = LogStore.append
    async with running(database, "a", "b") as (loser, rival), asyncio.timeout(DEADLINE_SECONDS):
        await done(rival, open_account("hot"))
        await loser.balance("hot")

        async def too_late(store: LogStore, commits: Any) -> set[int]:
            if commits[0].writer == "a" and not locked:
                await done(rival, grant("hot", 1))
            return await append(store, commits)

        monkeypatch.setattr(LogStore, "append", too_late)
        await done(loser, grant("hot", 10))
        assert place_of(loser, "hot").locked == LOCKED_COMMITS - 1
        _, balance, _, _ = await rival.balance("hot")
    assert locked == [loser.shard_number("hot")]
    assert balance.granted == 10 + LOSSES_MAX


@pytest.fixture
def undone(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The shard of each batch that was undone; fails where undoing left anything."""
    shards: list[int] = []
    begun: dict[Shard, dict[str, Any]] = {}
    begin, undo = Shard.begin, Shard.undo

    def begin_watched(shard: Shard, at: int) -> None:
        begun[shard] = state(shard)
        begin(shard, at)

    def undo_watched(shard: Shard) -> None:
        ahead = shard.has_events
        undo(shard)
        if ahead:
            assert state(shard) == begun[shard]
            shards.append(shard.number)

    monkeypatch.setattr(Shard, "begin", begin_watched)
    monkeypatch.setattr(Shard, "undo", undo_watched)
    return shards


async def test_a_lost_race_leaves_no_trace(database: Database, undone: list[int]) -> None:
    """A batch of commands of all kinds that lost its race is undone exactly; memory is what the log says, always."""
    choose = random.Random(11)
    first, second = [name for name in map("a{}".format, range(100)) if shard_of(name, SHARDS) == 3][:2]
    async with running(database, "a", "b") as ledgers, asyncio.timeout(DEADLINE_SECONDS):
        for account_id in (first, second):
            await done(ledgers[0], open_account(account_id, credit_limit=20))

        async def call() -> None:
            for _ in range(12):
                commands = [some_command(choose, first, second) for _ in range(6)]
                await choose.choice(ledgers).execute(commands)

        await asyncio.gather(*(call() for _ in range(6)))
        for ledger in ledgers:
            await ledger.balance(first)
        memories = [state(place_of(ledger, first).shard) for ledger in ledgers]
    fresh = state(await folded(database, 3))
    assert memories == [fresh, fresh]
    assert undone


def some_command(choose: random.Random, first: str, second: str) -> cmd.Command:
    """A command about one of a few accounts, reservations and grants; many will be refused."""
    account_id, other = choose.choice(((first, second), (second, first)))
    reservation_id = f"r{choose.randrange(8)}"
    amount = choose.randrange(1, 30)
    moment = choose.choice((1, 5, 50, 100_000)) * 1_000
    match choose.randrange(8):
        case 0:
            return grant(account_id, amount, expires_in=moment)
        case 1:
            return grant(account_id, amount, effective_in=moment)
        case 2 | 3:
            return reserve(account_id, reservation_id, amount, ttl=moment)
        case 4:
            return capture(account_id, reservation_id, amount, final=choose.random() < 0.5, up_to_available=True)
        case 5:
            return release(account_id, reservation_id)
        case 6:
            return send(account_id, other, f"t{choose.random()}", amount)
        case _:
            return reserve(account_id, f"r{choose.random()}", amount, ttl=moment)


@pytest.fixture
def frozen(database: Database) -> Iterator[subprocess.Popen[bytes]]:
    """A process that stands still while it holds the lock of shard 0."""
    argv = [sys.executable, "-m", "tests.ledger.frozen_rival", database.dsn, "0"]
    process = subprocess.Popen(guarded(argv))
    try:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        yield process
    finally:
        process.kill()
        process.wait()


async def test_a_frozen_rival_is_outwaited(database: Database, frozen: subprocess.Popen[bytes]) -> None:
    """A process that freezes within its turn holds the others up for a moment; woken, it holds nothing any more."""
    account_id = next(name for name in map("a{}".format, range(100)) if shard_of(name, SHARDS) == 0)
    async with running(database, "a") as (ledger,), asyncio.timeout(DEADLINE_SECONDS):
        await ledger.read_shard(0, lambda shard: shard.seq)
        place_of(ledger, account_id).locked = LOCKED_COMMITS
        await done(ledger, open_account(account_id))
        await done(ledger, grant(account_id, 5))
        assert place_of(ledger, account_id).locked < LOCKED_COMMITS
    frozen.send_signal(signal.SIGCONT)
    assert await asyncio.to_thread(frozen.wait, DEADLINE_SECONDS) == 0
