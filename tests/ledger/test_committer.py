"""The commit loop in this process, on a real PostgreSQL."""

import asyncio

import psycopg
import pytest

from services.ledger.application.ledger import Ledger
from services.ledger.application.shard import Answer
from services.ledger.application.work import QUEUE_COMMANDS_MAX, Queue, Work
from services.ledger.domain import commands as cmd
from services.ledger.store import log as store_log
from services.ledger.store.log import LogStore
from services.runtime import clock, lifecycle
from services.runtime.errors import Refusal
from tests.harness.databases import Databases

DAY = 24 * 3600 * clock.MICROS_PER_SECOND


def granted(number: int) -> cmd.Command:
    """A grant of 1 to account `a`, the same for the same number."""
    until = clock.now_us() + DAY
    cause = cmd.Cause(f"grant-{number}", until)
    command = cmd.GrantCredits("a", cause, until, f"g{number}", 1, 1, 100, 0, 0, "")
    cause.fingerprint = cmd.fingerprint(command)
    return command


@pytest.fixture
def ledger(databases: Databases) -> Ledger:
    """A ledger on a database of its own, not running yet."""
    return Ledger(databases.create("ledger").dsn, 16, "test")


async def open_account(ledger: Ledger) -> None:
    """Opens account `a`."""
    until = clock.now_us() + DAY
    await ledger.execute([cmd.OpenAccount("a", cmd.Cause("open", until), until)])


async def test_a_batch_sent_again_reads_each_commit_once(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The replays of a batch point to few commits; reading one for each command would hold up every caller."""
    read: list[int] = []
    body = LogStore.body

    async def counted(store: LogStore, shard: int, seq: int) -> bytes:
        read.append(seq)
        return await body(store, shard, seq)

    monkeypatch.setattr(LogStore, "body", counted)
    async with lifecycle.background(*ledger.loops):
        await open_account(ledger)
        first = await ledger.execute([granted(number) for number in range(300)])
        again = await ledger.execute([granted(number) for number in range(300)])
    positions = [result.position for result in first if isinstance(result, Answer)]
    assert [result.position for result in again if isinstance(result, Answer) and result.replayed] == positions
    assert len(positions) == 300
    assert len(read) == len(set(read))


async def test_loops_that_begin_again_know_the_log_only(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop ended within an append decided what never landed; begun again, it has forgotten that."""
    async with lifecycle.background(*ledger.loops):
        await open_account(ledger)
        stuck = asyncio.Event()

        async def never(_store: LogStore, _commits: object) -> set[int]:
            stuck.set()
            await asyncio.Event().wait()
            raise AssertionError("cancelled before")

        monkeypatch.setattr(LogStore, "append", never)
        lost = asyncio.create_task(ledger.execute([granted(1)]))
        async with asyncio.timeout(10):
            await stuck.wait()
    with pytest.raises(Refusal):
        await lost
    monkeypatch.undo()
    async with lifecycle.background(*ledger.loops), asyncio.timeout(10):
        _, balance, position, _ = await ledger.balance("a")
    assert balance.granted == 0
    assert position.endswith(":1")


async def test_a_database_that_says_nothing_is_given_up(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folding and reading back have a deadline of the client's own, as appending has: a frozen server ends nothing."""
    database = databases.create("ledger")
    monkeypatch.setattr(store_log, "ANSWER_SECONDS", 0.2)
    store = LogStore(database.dsn)
    await store.heads([0])
    async with await psycopg.AsyncConnection.connect(database.owner_dsn) as owner:
        await owner.execute("LOCK TABLE log IN ACCESS EXCLUSIVE MODE")
        for question in (store.read(0, 0, bytes(32), 1), store.body(0, 0)):
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
