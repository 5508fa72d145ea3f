"""The relay: every commit at least once, in order, whatever dies."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import nats
import psycopg
import pytest
from nats.js import JetStreamContext
from scrip.executor.v1.events_pb2 import Event, EventBatch

from services.cli.local.nats import Server
from services.runtime import clock, event_log, lifecycle, postgres, relay, topology
from services.runtime.broker import Broker
from services.runtime.event_log import EventLog
from services.runtime.postgres import Pool
from services.runtime.relay import HASH_HEADER, Relay
from services.runtime.topology import EVENTS_STREAM
from tests.harness.databases import Database, Databases
from tests.harness.waiting import eventually

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def database(databases: Databases) -> Database:
    return databases.create("executor")


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    async with postgres.open_pool(database.dsn, "test", size=8) as opened:
        yield opened


@pytest.fixture
def log() -> EventLog:
    return EventLog(EventBatch, 4, "writer")


async def commit(pool: Pool, log: EventLog, shard: int, name: str, trace: str = "") -> None:
    async with pool.connection() as connection, connection.transaction():
        await log.append(connection, [(shard, Event(kind=1, job_id=name, trace_id=trace))])


@contextlib.asynccontextmanager
async def relaying(pool: Pool, log: EventLog, url: str, replicas: int = 1) -> AsyncIterator[None]:
    """Some replicas' relays, running."""
    async with contextlib.AsyncExitStack() as stack:
        workers = []
        for _ in range(replicas):
            broker = Broker(url, "test")
            stack.push_async_callback(broker.close)
            workers += [broker.keep_connected, Relay(pool, broker, "executor", EventBatch, log.appended).run]
        await stack.enter_async_context(lifecycle.background(*workers))
        yield


@contextlib.asynccontextmanager
async def jetstream(url: str) -> AsyncIterator[JetStreamContext]:
    connection = await nats.connect(url)
    try:
        yield connection.jetstream()
    finally:
        await connection.close()


async def published(stream: JetStreamContext, shard: int) -> list[EventBatch]:
    """What the stream holds of one shard, in the order it was published."""
    last = (await stream.stream_info(EVENTS_STREAM)).state.last_seq
    batches = []
    for seq in range(1, last + 1):
        message = await stream.get_msg(EVENTS_STREAM, seq)
        if message.subject == f"scrip.executor.v1.batch.{shard}":
            batches.append(EventBatch.FromString(message.data or b""))
    return batches


def cursors(database: Database) -> list[int]:
    with psycopg.connect(database.owner_dsn) as connection:
        rows = connection.execute("SELECT seq FROM cursor WHERE consumer = 'relay' ORDER BY shard").fetchall()
    return [row[0] for row in rows]


async def test_a_commit_is_published_as_it_was_stored(
    pool: Pool, log: EventLog, database: Database, nats_url: str
) -> None:
    """One message a commit: the stored bytes, its chain value, an id that stays the same, the request's trace."""
    async with relaying(pool, log, nats_url), jetstream(nats_url) as stream:
        await commit(pool, log, 2, "a", TRACE)
        await eventually(lambda: cursors(database) == [0, 0, 1, 0])
        message = await stream.get_msg(EVENTS_STREAM, 1)
    (row,) = await event_log.read(pool, 2, 0)
    assert (message.subject, message.data) == ("scrip.executor.v1.batch.2", row.body)
    headers = message.headers or {}
    assert headers["Nats-Msg-Id"] == f"executor-2-1-{row.hash.hex()[:8]}"
    assert headers[HASH_HEADER] == row.hash.hex()
    assert headers["traceparent"].split("-")[1] == TRACE


async def test_a_commit_is_published_at_once(pool: Pool, log: EventLog, database: Database, nats_url: str) -> None:
    """A poke from inside the writing transaction does not cost a poll: the relay looks again until it is committed."""
    async with relaying(pool, log, nats_url):
        await commit(pool, log, 0, "first")
        await eventually(lambda: cursors(database)[0] == 1)
        started = clock.monotonic()
        for number in range(2, 12):
            await commit(pool, log, 0, str(number))
            await eventually(lambda number=number: cursors(database)[0] == number)  # type: ignore[misc]
        assert clock.monotonic() - started < 10 * relay.POLL_SECONDS / 2


async def test_order_holds_across_replicas(pool: Pool, log: EventLog, database: Database, nats_url: str) -> None:
    """Several relays of one log publish each commit once and in order: the cursor's row is the lock."""
    async with relaying(pool, log, nats_url, replicas=3), jetstream(nats_url) as stream:
        for number in range(60):
            await commit(pool, log, number % 2, str(number))
        await eventually(lambda: cursors(database) == [30, 30, 0, 0])
        for shard in (0, 1):
            assert [batch.seq for batch in await published(stream, shard)] == list(range(1, 31))


async def test_a_crash_between_publishing_and_noting_it_publishes_again(
    pool: Pool, log: EventLog, database: Database, nats_url: str
) -> None:
    """At least once: the second time under the same id, which the stream takes once."""
    async with jetstream(nats_url) as stream:
        async with relaying(pool, log, nats_url):
            for number in range(5):
                await commit(pool, log, 0, str(number))
            await eventually(lambda: cursors(database)[0] == 5)
        with psycopg.connect(database.owner_dsn) as connection:
            connection.execute("UPDATE cursor SET seq = 2 WHERE consumer = 'relay' AND shard = 0")
        async with relaying(pool, log, nats_url):
            await eventually(lambda: cursors(database)[0] == 5)
        assert [batch.seq for batch in await published(stream, 0)] == [1, 2, 3, 4, 5]


async def test_an_outage_of_nats_is_waited_out(
    pool: Pool, log: EventLog, database: Database, nats_server: Server
) -> None:
    """Whether NATS is away at the start or is killed later: in the end everything is published, in order."""
    await topology.declare(nats_server.broker.url)
    nats_server.kill()
    async with relaying(pool, log, nats_server.broker.url):
        await commit(pool, log, 0, "0")
        nats_server.start()
        await eventually(lambda: cursors(database)[0] == 1)
        for number in range(1, 60):
            await commit(pool, log, 0, str(number))
            if number == 20:
                nats_server.kill()
            if number == 40:
                nats_server.start()
        await eventually(lambda: cursors(database)[0] == 60, seconds=20)
        async with jetstream(nats_server.broker.url) as stream:
            seqs = [batch.seq for batch in await published(stream, 0)]
    assert list(dict.fromkeys(seqs)) == list(range(1, 61))


async def test_an_outage_of_the_database_is_waited_out(
    pool: Pool, log: EventLog, database: Database, databases: Databases, nats_url: str
) -> None:
    """Cut sessions delay the relay and lose nothing."""
    async with relaying(pool, log, nats_url), jetstream(nats_url) as stream:
        for number in range(30):
            await commit_again_if_cut(pool, log, str(number))
            if number % 10 == 5:
                databases.disconnect(database)
        head = (await event_log.heads(pool))[0]
        await eventually(lambda: cursors(database)[0] == head, seconds=20)
        seqs = [batch.seq for batch in await published(stream, 0)]
    assert list(dict.fromkeys(seqs)) == list(range(1, head + 1))


async def commit_again_if_cut(pool: Pool, log: EventLog, name: str) -> None:
    """Every cut connection of the pool is an error of its own."""
    for _ in range(20):
        with contextlib.suppress(*postgres.OUTAGES):
            await commit(pool, log, 0, name)
            return
    raise AssertionError("the database stays away")


class FailingStream:
    """A JetStream that takes some messages and then no more."""

    def __init__(self, takes: int) -> None:
        self.takes = takes
        self.taken: list[int] = []

    async def publish(self, _subject: str, body: bytes, **_rest: object) -> None:
        if len(self.taken) >= self.takes:
            raise nats.errors.TimeoutError
        self.taken.append(EventBatch.FromString(body).seq)
        await asyncio.sleep(0)


class FailingBroker:
    """A broker whose JetStream fails after some messages."""

    def __init__(self, takes: int) -> None:
        self.stream = FailingStream(takes)

    def jetstream(self) -> FailingStream:
        """As Broker's."""
        return self.stream


async def test_what_was_acknowledged_before_a_failure_stays_so(pool: Pool, log: EventLog, database: Database) -> None:
    """The cursor keeps the progress of a run that failed in its middle."""
    for number in range(10):
        await commit(pool, log, 0, str(number))
    broker = FailingBroker(takes=4)
    failing = Relay(pool, broker, "executor", EventBatch, log.appended)  # type: ignore[arg-type]
    with pytest.raises(nats.errors.TimeoutError):
        await failing._relay_all()
    assert cursors(database)[0] == 4
    broker.stream.takes = 100
    await failing._relay_all()
    assert (cursors(database)[0], broker.stream.taken) == (10, list(range(1, 11)))


async def test_a_slow_stream_does_not_hold_the_cursor(
    pool: Pool, log: EventLog, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run lets go of the cursor in time, with what it has published, and goes on."""
    for number in range(5):
        await commit(pool, log, 0, str(number))
    monkeypatch.setattr(relay, "HOLD_SECONDS", -1.0)
    broker = FailingBroker(takes=100)
    slow = Relay(pool, broker, "executor", EventBatch, log.appended)  # type: ignore[arg-type]
    assert await slow._relay_some(0)
    assert broker.stream.taken == []
    monkeypatch.setattr(relay, "HOLD_SECONDS", 1.0)
    await slow._relay_all()
    assert (cursors(database)[0], broker.stream.taken) == (5, [1, 2, 3, 4, 5])
