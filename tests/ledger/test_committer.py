"""The commit loop in this process, on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.application.ledger import Ledger
from services.ledger.application.results import Answer
from services.ledger.application.work import QUEUE_COMMANDS_MAX, Queue, Work
from services.ledger.store import entries
from services.ledger.store import log as store_log
from services.ledger.store.log import LogStore
from services.runtime import lifecycle, postgres
from services.runtime.errors import Refusal
from services.runtime.postgres import Pool
from tests.harness.databases import Databases
from tests.ledger.ledgers import SHARDS, done, grant, open_account

DEADLINE_SECONDS = 30


@pytest.fixture
async def ledger(databases: Databases) -> AsyncIterator[Ledger]:
    """A ledger on a database of its own, not running yet."""
    dsn = databases.create("ledger").dsn
    async with postgres.open_pool(dsn, "test") as pool:
        yield Ledger(dsn, pool, SHARDS, "test")


async def test_a_batch_sent_again_reads_each_commit_once(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The replays of a batch point to few commits; reading one for each command would hold up every caller."""
    read: list[int] = []
    batch = entries.batch

    async def counted(pool: Pool, shard: int, seq: int) -> pb.EventBatch:
        read.append(seq)
        return await batch(pool, shard, seq)

    monkeypatch.setattr(entries, "batch", counted)
    async with lifecycle.background(*ledger.loops), asyncio.timeout(DEADLINE_SECONDS):
        await done(ledger, open_account("a"))
        first, again = [
            await ledger.execute([grant("a", 1, request_id=f"grant-{number}") for number in range(300)])
            for _ in range(2)
        ]
    positions = [result.position for result in first if isinstance(result, Answer)]
    assert [result.position for result in again if isinstance(result, Answer) and result.replayed] == positions
    assert len(positions) == 300
    assert len(read) == len(set(read)) > 0


async def test_loops_that_begin_again_know_the_log_only(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop ended within an append decided what never landed; begun again, it has forgotten that."""
    async with lifecycle.background(*ledger.loops):
        await done(ledger, open_account("a"))
        stuck = asyncio.Event()

        async def never(_store: LogStore, _commits: object) -> set[int]:
            stuck.set()
            await asyncio.Event().wait()
            raise AssertionError("cancelled before")

        monkeypatch.setattr(LogStore, "append", never)
        lost = asyncio.create_task(ledger.execute([grant("a", 1)]))
        async with asyncio.timeout(DEADLINE_SECONDS):
            await stuck.wait()
    with pytest.raises(Refusal):
        await lost
    monkeypatch.undo()
    async with lifecycle.background(*ledger.loops), asyncio.timeout(DEADLINE_SECONDS):
        _, balance, position, _ = await ledger.balance("a")
    assert balance.granted == 0
    assert position.endswith(":1")


async def test_a_caller_who_is_gone_ends_nothing(ledger: Ledger) -> None:
    """What it asked for may have happened; everyone else is answered."""
    async with lifecycle.background(*ledger.loops), asyncio.timeout(DEADLINE_SECONDS):
        await done(ledger, open_account("a"))
        gone = [asyncio.create_task(ledger.execute([grant("a", 1)])) for _ in range(20)]
        await asyncio.sleep(0)
        for task in gone:
            task.cancel()
        await done(ledger, grant("a", 5))
        _, balance, _, _ = await ledger.balance("a")
    assert 5 <= balance.granted <= 25


async def test_a_database_that_says_nothing_is_given_up(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folding and reading back have a deadline of the client's own, as appending has: a frozen server ends nothing."""
    database = databases.create("ledger")
    monkeypatch.setattr(store_log, "ANSWER_SECONDS", 0.2)
    store = LogStore(database.dsn)
    await store.heads([0])
    async with await psycopg.AsyncConnection.connect(database.owner_dsn) as owner:
        await owner.execute("LOCK TABLE log IN ACCESS EXCLUSIVE MODE")
        for question in (store.read(0, 0, bytes(32), 1), store.fetch("SELECT body FROM log", ())):
            with pytest.raises(TimeoutError):
                await question
            await store.close()
    assert await store.hash_of(0, 0) == bytes(32)
    await store.close()


async def test_reads_wait_in_a_queue_with_an_end_too() -> None:
    """While the database is away, looks are refused beyond the limit as commands are."""
    queue = Queue(0)
    for _ in range(QUEUE_COMMANDS_MAX):
        queue.add(Work((), repr))
    with pytest.raises(Refusal) as refused:
        queue.add(Work((), repr))
    assert refused.value.reason == "RATE_LIMITED"
