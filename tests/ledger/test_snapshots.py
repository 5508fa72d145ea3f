"""Snapshots: the same state as the log, to the byte, or none at all."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import fields

import psycopg
import pytest

from services.ledger.application.proof.replay import fold_tail, replay
from services.ledger.application.shard import Shard
from services.ledger.application.upkeep import parts, snapshotting
from services.ledger.application.upkeep.parts import add_part, digest_of, parts_of
from services.ledger.domain.account import Account, Grant, More, Reservation, Transfer, reservations_by_id
from services.ledger.store.log import Commit, LogStore
from services.ledger.store.snapshots import Snapshot
from services.runtime import lifecycle, postgres
from tests.harness.databases import Database, Databases
from tests.harness.waiting import eventually
from tests.ledger.busy import make_busy
from tests.ledger.ledgers import SHARDS, done, folded, grant, place_of, running, state

# Derived when a snapshot is loaded, or of a batch in hand; those of a reservation are of one that has ended.
DERIVED = {
    Account: {"burn", "deadlines", "epoch"},
    More: {"lapsing"},
    Grant: {"epoch"},
    Reservation: {"state", "released", "ended_at", "epoch"},
    Transfer: set[str](),
}


@pytest.fixture
async def store(database: Database) -> AsyncIterator[LogStore]:
    """A connection to the log."""
    opened = LogStore(database.dsn)
    yield opened
    await opened.close()


@pytest.fixture
async def database(databases: Databases) -> Database:
    """A ledger in which everything has happened."""
    fresh = databases.create("ledger")
    async with running(fresh, "a") as (ledger,):
        await make_busy(ledger)
    return fresh


async def made(database: Database, number: int) -> Snapshot:
    """A new snapshot of a shard."""
    done = await snapshotting.make(database.dsn, number)
    assert done is not None
    return done.snapshot


async def latest(store: LogStore, number: int) -> Shard:
    """A shard from its last snapshot and what came after it."""
    shard = await snapshotting.load_latest(store, number)
    await fold_tail(store, shard)
    return shard


async def change(database: Database, statement: str) -> None:
    """What only an operator can do to a database."""
    async with await psycopg.AsyncConnection.connect(database.owner_dsn) as owner:
        await owner.execute(statement.encode())


async def test_what_is_loaded_is_what_the_log_says(
    database: Database, store: LogStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shard from its snapshot, whatever the size of its parts, is the shard from its log, in every field."""
    monkeypatch.setattr(parts, "PART_BYTES", 480)
    for number in range(SHARDS):
        fresh = await folded(database, number)
        await snapshotting.make(database.dsn, number)
        loaded = await snapshotting.load_latest(store, number)
        assert state(loaded) == state(fresh)
        assert loaded.senders == {name for name, account in fresh.accounts.items() if account.transfers}


async def test_snapshot_and_tail_are_the_whole_log_to_the_byte(database: Database, store: LogStore) -> None:
    """Snapshots made of snapshots, and what came after them, serialize as the log folded from its beginning."""
    for prefix in ("b", "c"):
        for number in range(SHARDS):
            await snapshotting.make(database.dsn, number)
        async with running(database, "b") as (ledger,):
            await make_busy(ledger, prefix, accounts=6)
    for number in range(SHARDS):
        shard = await latest(store, number)
        assert list(parts_of(shard)) == list(parts_of(await folded(database, number)))
        assert digest_of(shard) == (await replay(database.dsn, number)).digest


async def test_the_order_of_memory_is_not_in_a_snapshot(database: Database) -> None:
    """Equal states give equal bytes, in whatever order they came about."""
    shard = max([await folded(database, number) for number in range(SHARDS)], key=lambda one: len(one.accounts))
    turned = await folded(database, shard.number)
    turned.accounts = dict(reversed(turned.accounts.items()))
    for account in turned.accounts.values():
        account.open_reservations = reservations_by_id(reversed(account.open_reservations.values()))
    assert len(shard.accounts) > 1
    assert list(parts_of(turned)) == list(parts_of(shard))
    again = Shard(shard.number)
    for part in parts_of(turned):
        add_part(again, part)
    assert list(parts_of(again)) == list(parts_of(shard))


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE snapshot SET fold_version = fold_version + 1 WHERE seq = {newest}",
        "UPDATE snapshot SET hash = sha256(hash) WHERE seq = {newest}",
        "UPDATE snapshot SET at = at - interval '1 s' WHERE seq = {newest}",
        "UPDATE snapshot SET next_position = next_position + 1 WHERE seq = {newest}",
        "UPDATE snapshot_part SET body = body || '\\x00' WHERE seq = {newest} AND number = 1",
        "DELETE FROM snapshot_part WHERE seq = {newest} AND number = 1",
        "DELETE FROM snapshot WHERE seq = {newest}",
    ],
)
async def test_one_that_does_not_fit_is_passed_over(database: Database, store: LogStore, damage: str) -> None:
    """Another program's, another log's, a damaged or deleted one is not loaded: the one before it is, or none."""
    async with running(database, "b") as (ledger,):
        number = ledger.shard_number("a0")
        first = await made(database, number)
        await done(ledger, grant("a0", 1))
    second = await made(database, number)
    assert first.seq < second.seq
    await change(database, "ALTER TABLE snapshot_part DROP CONSTRAINT part_of_a_snapshot")
    await change(database, damage.format(newest=second.seq))
    assert (await snapshotting.load_latest(store, number)).seq == first.seq
    await change(database, damage.format(newest=first.seq))
    assert (await snapshotting.load_latest(store, number)).seq == 0
    assert state(await latest(store, number)) == state(await folded(database, number))


async def test_the_last_two_are_kept(database: Database, store: LogStore) -> None:
    """A new snapshot takes the place of the one before the last; where nothing came after one, none is made."""
    kept = []
    async with running(database, "b") as (ledger,):
        number = ledger.shard_number("a0")
        for _ in range(4):
            await done(ledger, grant("a0", 1))
            kept.append((await made(database, number)).seq)
    assert await snapshotting.make(database.dsn, number) is None
    rows = await store.fetch("SELECT seq FROM snapshot WHERE shard = %s ORDER BY seq", (number,))
    assert [seq for (seq,) in rows] == kept[-2:]
    rows = await store.fetch("SELECT DISTINCT seq FROM snapshot_part WHERE shard = %s ORDER BY seq", (number,))
    assert [seq for (seq,) in rows] == kept[-2:]


async def test_a_ledger_begins_with_the_snapshot(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that starts reads the log from the snapshot on only."""
    for number in range(SHARDS):
        await snapshotting.make(database.dsn, number)
    read: dict[int, int] = {}
    original = LogStore.read

    async def noted(store: LogStore, shard: int, after_seq: int, previous_hash: bytes, limit: int) -> Sequence[Commit]:
        read.setdefault(shard, after_seq)
        return await original(store, shard, after_seq, previous_hash, limit)

    monkeypatch.setattr(LogStore, "read", noted)
    async with running(database, "b") as (ledger,):
        await ledger.balance("a0")
        shard = place_of(ledger, "a0").shard
        assert read[shard.number] == shard.seq > 0
        found = state(shard)
    monkeypatch.undo()
    assert found == state(await folded(database, shard.number))


async def test_a_long_tail_gets_one_in_a_process_of_its_own(
    database: Database, store: LogStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service starts a process for a shard whose tail is long, and for no other."""
    monkeypatch.setattr(snapshotting, "TAIL_EVENTS", 40)
    for name in ("NATS_URL", "GRPC_LISTEN", "OPS_LISTEN", "SERVICE_TOKENS_FILE"):
        monkeypatch.setenv(f"SCRIP_{name}", "127.0.0.1:1")
    monkeypatch.setenv("SCRIP_DSN", database.dsn)
    shards = [await folded(database, number) for number in range(SHARDS)]
    wanted = [shard.number for shard in shards if shard.next_position > 40 and shard.number % 2]
    async with postgres.open_pool(database.dsn, "test") as pool:
        worker = snapshotting.Snapshots(pool, [number for number in range(SHARDS) if number % 2])

        async def stored() -> list[int]:
            return [number for (number,) in await store.fetch("SELECT shard FROM snapshot ORDER BY shard", ())]

        async def made_as_many(wanted: list[int]) -> bool:
            return len(await stored()) >= len(wanted)

        async with lifecycle.background(worker.run):
            await eventually(lambda: made_as_many(wanted), seconds=30)
    assert 0 < len(wanted) < SHARDS // 2
    assert await stored() == wanted


@pytest.mark.parametrize("of", DERIVED)
def test_every_field_is_in_the_schema_or_derived(of: type) -> None:
    """A field that an account gains must not be missing after a restart."""
    stored = {
        Account: {
            "account_id", "created_at", "state", "granted", "available", "reserved", "spent", "expired", "voided",
            "grants_made", "grants", "open_reservations", "more",
        },
        More: {
            "credit_limit", "owed", "on_credit", "transferred_in", "transferred_out", "refunds", "transfers",
            "received",
        },
        Grant: {
            "number", "grant_id", "amount", "available", "reserved", "source", "priority", "effective_at", "expires_at",
            "created_at", "state",
        },
        Reservation: {
            "reservation_id", "amount", "reserved", "captured", "shortfall", "expires_at", "created_at", "holds",
            "remember_until",
        },
        Transfer: {"transfer_id", "to_account_id", "amount", "expires_at", "created_at", "parts"},
    }  # fmt: skip
    names = of._fields if of is More else [field.name for field in fields(of)]
    assert set(names) == stored[of] | DERIVED[of]
