"""The event log: numbers in commit order, no gap, a chain, whatever writes at the same time."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import psycopg
import pytest
from scrip.executor.v1.events_pb2 import Event, EventBatch

from services.runtime import chain, event_log, postgres
from services.runtime.event_log import EventLog
from services.runtime.lifecycle import Signal
from services.runtime.postgres import Pool
from tests.harness.databases import Database, Databases

SHARDS = 4


@pytest.fixture
def database(databases: Databases) -> Database:
    """The executor's: it has a log of four shards."""
    return databases.create("executor")


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    async with postgres.open_pool(database.dsn, "test", size=12) as opened:
        yield opened


def event(name: str) -> Event:
    return Event(kind=1, job_id=name)


async def commit(pool: Pool, log: EventLog, *events: tuple[int, Event]) -> None:
    async with pool.connection() as connection, connection.transaction():
        await log.append(connection, events)


def check_chain(rows: list[event_log.LogRow]) -> list[str]:
    """The names of the events of a shard, in order, after checking every link."""
    names: list[str] = []
    previous, position = chain.GENESIS_HASH, 1
    for seq, row in enumerate(rows, start=1):
        batch = EventBatch.FromString(row.body)
        at_us = batch.recorded_at.ToMicroseconds()
        assert (row.seq, batch.seq, batch.first_position, batch.previous_hash) == (seq, seq, position, previous)
        assert row.hash == chain.link(
            previous, row.shard, seq, position, len(batch.events), at_us, batch.writer, row.body
        )
        names += [event.job_id for event in batch.events]
        previous, position = row.hash, position + len(batch.events)
    return names


async def test_a_commit_is_one_row_a_shard(pool: Pool) -> None:
    """Events of one transaction keep their order within a shard, and each shard counts for itself."""
    log = EventLog(EventBatch, SHARDS, "writer")
    await commit(pool, log, (2, event("a")), (0, event("b")), (2, event("c")))
    await commit(pool, log, (2, event("d")))
    assert check_chain(await event_log.read(pool, 0, 0)) == ["b"]
    assert check_chain(await event_log.read(pool, 2, 0)) == ["a", "c", "d"]
    assert await event_log.heads(pool) == {0: 1, 1: 0, 2: 2, 3: 0}


async def test_what_is_rolled_back_leaves_no_gap(pool: Pool) -> None:
    """A number is used only by a transaction that commits."""
    log = EventLog(EventBatch, SHARDS, "writer")
    await commit(pool, log, (0, event("a")))
    with contextlib.suppress(ZeroDivisionError):
        async with pool.connection() as connection, connection.transaction():
            await log.append(connection, [(0, event("lost"))])
            raise ZeroDivisionError
    await commit(pool, log, (0, event("b")))
    assert check_chain(await event_log.read(pool, 0, 0)) == ["a", "b"]


@pytest.mark.parametrize("last", [2**15 - 1, 2**31 - 1])
async def test_a_log_goes_on_beyond_what_a_small_number_holds(database: Database, pool: Pool, last: int) -> None:
    """The position after a commit is no sum of two smallints, or of two integers."""
    with psycopg.connect(database.owner_dsn, autocommit=True) as connection:
        connection.execute("UPDATE head SET next_position = %s WHERE shard = 0", (last,))
    log = EventLog(EventBatch, SHARDS, "writer")
    for turn in range(2):
        await commit(pool, log, *[(0, event(f"{turn}{n}")) for n in range(3)])
    found = [EventBatch.FromString(row.body) for row in await event_log.read(pool, 0, 0)]
    assert [batch.first_position for batch in found] == [last, last + 3]


async def test_concurrent_writers_share_one_order_that_readers_never_miss(pool: Pool) -> None:
    """However many write, slowly or in vain: a reader that follows sees each commit once, in order."""
    log = EventLog(EventBatch, SHARDS, "writer")
    draw = random.Random(11)
    written: dict[int, set[str]] = {shard: set() for shard in range(SHARDS)}
    seen: list[event_log.LogRow] = []

    async def write(number: int) -> None:
        shards = draw.sample(range(SHARDS), draw.randint(1, SHARDS))
        fails, pause = draw.random() < 0.2, draw.random() * 0.02
        with contextlib.suppress(ZeroDivisionError):
            async with pool.connection() as connection, connection.transaction():
                await asyncio.sleep(pause)
                await log.append(connection, [(shard, event(f"{number}-{shard}")) for shard in shards])
                await asyncio.sleep(pause / 4)
                if fails:
                    raise ZeroDivisionError
        if not fails:
            for shard in shards:
                written[shard].add(f"{number}-{shard}")

    async def follow() -> None:
        async for row in event_log.follow(pool, {}, True, log.appended):
            seen.append(row)  # noqa: PERF401 (it never ends)

    following = asyncio.create_task(follow())
    for _ in range(10):
        await asyncio.gather(*(write(draw.randrange(1 << 40)) for _ in range(8)))
    total = sum(len(names) for names in written.values())
    async with asyncio.timeout(10):
        while sum(len(EventBatch.FromString(row.body).events) for row in seen) < total:
            await log.appended.wait(0.05)
    following.cancel()
    for shard in range(SHARDS):
        names = check_chain([row for row in seen if row.shard == shard])
        assert (set(names), len(names)) == (written[shard], len(written[shard]))


async def test_two_shards_in_any_order_do_not_deadlock(pool: Pool) -> None:
    """Shards are locked in ascending order, whatever the order of the events."""
    log = EventLog(EventBatch, SHARDS, "writer")
    orders = [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1), (1, 3, 0, 2)] * 10
    async with asyncio.timeout(20):
        await asyncio.gather(*(commit(pool, log, *((shard, event("x")) for shard in order)) for order in orders))
    assert await event_log.heads(pool) == dict.fromkeys(range(SHARDS), 40)


async def test_following_begins_where_the_reader_stands(pool: Pool) -> None:
    """Named shards are read from where the reader stands, others from their beginning, up to the present head."""
    log = EventLog(EventBatch, SHARDS, "writer")
    for name in ("a", "b", "c"):
        await commit(pool, log, (0, event(name)), (1, event(name)))

    async def read(cursors: dict[int, int]) -> list[tuple[int, int]]:
        return [(row.shard, row.seq) async for row in event_log.follow(pool, cursors, False, Signal())]

    assert await read({}) == [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3)]
    assert await read({0: 2, 1: 3}) == [(0, 3)]
    assert await read({0: 3}) == [(1, 1), (1, 2), (1, 3)]
    assert await read({0: 2**63 - 1, 1: 1, 9: 4}) == [(1, 2), (1, 3)]


async def test_a_follower_gets_what_is_committed_later(pool: Pool) -> None:
    """Kept open, a stream goes on with later commits, of shards that were empty too."""
    log = EventLog(EventBatch, SHARDS, "writer")
    await commit(pool, log, (0, event("a")))
    rows = event_log.follow(pool, {}, True, log.appended)
    async with asyncio.timeout(10):
        assert (await anext(rows)).shard == 0
        await commit(pool, log, (3, event("b")))
        assert (await anext(rows)).shard == 3


async def test_long_logs_are_read_in_pieces(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a log, a piece is bounded and nothing between two is left out."""
    log = EventLog(EventBatch, SHARDS, "writer")
    for number in range(10):
        await commit(pool, log, (0, event(str(number))))
    assert [row.seq for row in await event_log.read(pool, 0, 3, limit=4)] == [4, 5, 6, 7]
    rows = [row async for row in event_log.follow(pool, {}, False, Signal())]
    assert check_chain(rows) == [str(number) for number in range(10)]


def test_the_log_is_append_only_by_privilege(database: Database) -> None:
    """The service itself cannot change or remove what it has written."""
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        for statement in ("UPDATE log SET n = 0", "DELETE FROM log", "TRUNCATE log", "DELETE FROM head"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


async def test_a_shard_without_head_is_told(pool: Pool) -> None:
    """Writing to a shard that was never made is an error, not a new shard."""
    log = EventLog(EventBatch, SHARDS, "writer")
    with pytest.raises(LookupError, match="shard 7 has no head"):
        await commit(pool, log, (7, event("a")))
