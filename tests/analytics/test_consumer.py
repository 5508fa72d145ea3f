"""Commits come over JetStream within seconds, and nothing JetStream does loses one."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import nats
import psycopg
import pytest
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from services.analytics import consumer as consumer_module
from services.analytics import metrics
from services.analytics.catchup import Catchup
from services.analytics.commits import UnreadableMessage
from services.analytics.consumer import Consumer, read_message
from services.cli.local.nats import Server
from services.runtime import clock, lifecycle, topology
from services.runtime.broker import Broker
from services.runtime.relay import HASH_HEADER
from services.runtime.topology import EVENTS_STREAM
from tests.analytics.logs import WrittenLog, credit, job
from tests.analytics.owner import Owner
from tests.analytics.support import analyst_sees, applying
from tests.harness.databases import Database, Databases
from tests.harness.waiting import eventually


@pytest.fixture
def database(databases: Databases) -> Database:
    return databases.create("analytics")


@dataclass
class World:
    """Owners of both logs with their relays, and the consumer with its catch-up."""

    ledger: Owner
    executor: Owner
    database: Database

    async def execute(self, number: int) -> None:
        """What one execution leaves in both logs."""
        shard = number % 4
        await self.ledger.commit(
            shard,
            credit("CREDITS_RESERVED", 10, tool="echo", reservation_id=f"job_{number}"),
            credit("RESERVATION_CAPTURED", number, tool="echo", reservation_id=f"job_{number}"),
        )
        await self.executor.commit(shard, job("JOB_SUCCEEDED", f"job_{number}", duration_ms=number))

    def seen(self) -> tuple[int, int, int]:
        """Movements, jobs and microcredits in the views."""
        (row,) = analyst_sees(
            self.database,
            "SELECT (SELECT count(*) FROM analytics.credit_movements) AS movements,"
            " coalesce(sum(total_jobs), 0)::int AS jobs, coalesce(sum(total_credits) * 1000000, 0)::bigint AS micros"
            " FROM analytics.tool_usage_daily",
        )
        return row["movements"], row["jobs"], row["micros"]

    async def complete(self, count: int, seconds: float = 10.0) -> None:
        """Returns when executions 1 to `count` are seen."""
        expected = (2 * count, count, count * (count + 1) // 2)
        await eventually(lambda: self.seen() == expected, seconds, lambda: f"{self.seen()}, not {expected}")


@contextlib.asynccontextmanager
async def consuming(
    databases: Databases,
    database: Database,
    url: str,
    folder: Path,
    *,
    reachable: bool = True,
    ask_seconds: float = 3.0,
) -> AsyncIterator[World]:
    """Everything running; owners that are not `reachable` write and publish, but do not answer ReadEvents."""
    async with contextlib.AsyncExitStack() as stack:
        owners: dict[str, Owner] = {}
        broker = Broker(url, "test")
        stack.push_async_callback(broker.close)
        workers = [broker.keep_connected]
        for source in ("ledger", "executor"):
            (folder / source).mkdir()
            owners[source] = owner = Owner(source, databases.create("executor"), folder / source)
            await stack.enter_async_context(owner.writing())
            if reachable:
                await stack.enter_async_context(owner.serving())
            workers.append(owner.relay(broker).run)
        pool, applier = await stack.enter_async_context(applying(database))
        catchups = {}
        for source, owner in owners.items():
            peer = owner.peer()
            stack.push_async_callback(peer.close)
            catchups[source] = Catchup(pool, applier, owner.source, peer)
            workers.append(catchups[source].run)
        await stack.enter_async_context(lifecycle.background(*workers, Consumer(url, applier, catchups).run))
        yield World(owners["ledger"], owners["executor"], database)


@contextlib.asynccontextmanager
async def jetstream(url: str) -> AsyncIterator[JetStreamContext]:
    connection = await nats.connect(url)
    try:
        yield connection.jetstream()
    finally:
        await connection.close()


async def test_a_row_is_seen_within_two_seconds_of_its_commit(
    databases: Databases, database: Database, nats_url: str, tmp_path: Path
) -> None:
    """Messages alone, without asking any owner, bring every commit to the views in less than two seconds."""
    async with consuming(databases, database, nats_url, tmp_path, reachable=False) as world:
        await world.execute(1)
        await world.complete(1)
        for number in range(2, 6):
            started = clock.monotonic()
            await world.execute(number)
            await world.complete(number)
            assert clock.monotonic() - started < 2


async def test_deleted_messages_are_made_up_for(
    databases: Databases, database: Database, nats_url: str, tmp_path: Path
) -> None:
    """Messages deleted from the stream under load are missing nowhere ten seconds later."""
    count = 200
    draw = random.Random(7)
    async with consuming(databases, database, nats_url, tmp_path) as world, jetstream(nats_url) as stream:

        async def delete() -> None:
            while True:
                state = (await stream.stream_info(EVENTS_STREAM)).state
                for seq in draw.sample(range(state.first_seq or 1, state.last_seq + 2), 1):
                    with contextlib.suppress(nats.js.errors.APIError):
                        await stream.delete_msg(EVENTS_STREAM, seq)
                await asyncio.sleep(0.005)

        deleting = asyncio.create_task(delete())
        for number in range(1, count + 1):
            await world.execute(number)
        await stream.purge_stream(EVENTS_STREAM)
        deleting.cancel()
        await world.complete(count)


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_a_restart_of_nats_loses_nothing(
    databases: Databases, database: Database, nats_server: Server, nats_url: str, tmp_path: Path, how: str
) -> None:
    """NATS dies under load and comes back: the views are complete, and messages bring new commits again."""
    async with consuming(databases, database, nats_url, tmp_path) as world:
        for number in range(1, 101):
            await world.execute(number)
            if number in (30, 70):
                getattr(nats_server, how)()
            if number in (50, 90):
                nats_server.start()
        await world.complete(100)
        by_message = metrics.COMMITS.labels("ledger", "message")
        before = by_message._value.get()

        async def messages_bring_commits() -> bool:
            await world.ledger.commit(0, credit("ACCOUNT_OPENED"))
            return bool(by_message._value.get() > before)

        await eventually(messages_bring_commits, seconds=20)


async def test_a_consumer_that_is_not_declared_is_waited_for_and_never_made(
    databases: Databases, database: Database, nats_server: Server, tmp_path: Path
) -> None:
    """Declaring is the topology's: until it was run commits come from the owners, then from messages."""
    url = nats_server.broker.url
    async with consuming(databases, database, url, tmp_path) as world, jetstream(url) as stream:
        await world.execute(1)
        await world.complete(1)
        with pytest.raises(nats.js.errors.NotFoundError):
            await stream.stream_info(EVENTS_STREAM)
        await topology.declare(url)
        declared = await stream.consumer_info(EVENTS_STREAM, "analytics")

        async def waits() -> bool:
            return bool((await stream.consumer_info(EVENTS_STREAM, "analytics")).num_waiting)

        await eventually(waits)
        assert (await stream.consumer_info(EVENTS_STREAM, "analytics")).created == declared.created
        await stream.delete_consumer(EVENTS_STREAM, "analytics")
        await eventually(lambda: metrics.RESUBSCRIPTIONS.labels("undeclared")._value.get() > 0)
        with pytest.raises(nats.js.errors.NotFoundError):
            await stream.consumer_info(EVENTS_STREAM, "analytics")
        await topology.declare(url)
        await eventually(waits)


async def test_a_silent_subscription_is_made_anew(
    databases: Databases, database: Database, nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages that wait on the server while none is delivered tell that the subscription is dead."""
    monkeypatch.setattr(consumer_module, "SILENT_SECONDS", 0.5)
    monkeypatch.setattr(consumer_module, "LOOK_SECONDS", 0.3)
    fetch = JetStreamContext.PullSubscription.fetch

    async def never(*_args: object, timeout: float = 1, **_kwargs: object) -> list[Msg]:
        await asyncio.sleep(timeout)
        raise nats.errors.TimeoutError

    monkeypatch.setattr(JetStreamContext.PullSubscription, "fetch", never)
    async with consuming(databases, database, nats_url, tmp_path, reachable=False) as world:
        await world.execute(1)
        silent = metrics.RESUBSCRIPTIONS.labels("silent")
        before = silent._value.get()
        await eventually(lambda: silent._value.get() > before)
        monkeypatch.setattr(JetStreamContext.PullSubscription, "fetch", fetch)
        await world.complete(1)


async def test_messages_that_are_no_commits_are_acknowledged_and_told(
    databases: Databases, database: Database, nats_url: str, tmp_path: Path
) -> None:
    """Garbage is counted, acknowledged and passed over; what comes with it is applied."""
    async with consuming(databases, database, nats_url, tmp_path) as world, jetstream(nats_url) as stream:
        before = metrics.UNREADABLE._value.get()
        for subject, body in (
            ("scrip.ledger.v1.batch.0", b"\xff garbage"),
            ("scrip.ledger.v1.batch.0", b'{"looks": "like JSON"}'),
            ("scrip.ledger.v1.batch.0", b""),
            ("scrip.ledger.v1.batch.x", b""),
            ("scrip.unknown.v1.batch.0", b""),
        ):
            await stream.publish(subject, body)
        await world.execute(1)
        await world.complete(1)
        # What is executed may have come another way, and sooner.
        await eventually(lambda: metrics.UNREADABLE._value.get() - before == 5)

        async def nothing_waits() -> bool:
            info = await stream.consumer_info(EVENTS_STREAM, "analytics")
            return not info.num_ack_pending and not info.num_pending

        await eventually(nothing_waits)


async def test_a_message_that_contradicts_the_owner_is_not_believed(
    databases: Databases, database: Database, nats_url: str, tmp_path: Path
) -> None:
    """A commit of another log under the right subject is checked with the owner, whose own commits go on counting."""
    forged = WrittenLog("ledger", 0)
    for _ in range(3):
        forged.write(credit("CREDITS_GRANTED", 999))
    async with consuming(databases, database, nats_url, tmp_path) as world, jetstream(nats_url) as stream:
        await world.ledger.commit(0, credit("CREDITS_GRANTED", 1))
        await eventually(lambda: world.seen()[0] == 1)
        for body in forged.bodies[1:]:
            await stream.publish(forged.subject, body)
        await world.ledger.commit(0, credit("CREDITS_GRANTED", 2))
        await eventually(lambda: world.seen()[0] == 2)
        assert metrics.STOPPED.labels("ledger", 0)._value.get() == 0
        rows = analyst_sees(database, "SELECT amount FROM analytics.credit_movements WHERE amount > 0.0005")
        assert rows == []


async def test_a_database_outage_delays_and_loses_nothing(
    databases: Databases, database: Database, nats_url: str, tmp_path: Path
) -> None:
    """While the own database cuts every session, messages are asked for again; then all is there."""
    async with consuming(databases, database, nats_url, tmp_path) as world:
        for number in range(1, 41):
            await world.execute(number)
            if number % 8 == 0:
                databases.disconnect(database)
        await world.complete(40, seconds=20)


def test_a_body_is_read_as_what_was_committed() -> None:
    """The subject's shard and the hash the relay sends along must be those of the body."""
    log = WrittenLog("ledger", 2)
    commit = log.write(credit("CREDITS_GRANTED"))

    def message(subject: str, headers: dict[str, str] | None = None) -> Msg:
        return Msg(_client=None, subject=subject, data=log.bodies[0], headers=headers)  # type: ignore[arg-type]

    for headers in (None, {HASH_HEADER: commit.hash.hex()}):
        read = read_message(message(log.subject, headers))
        assert (read.seq, read.hash, read.recorded_at) == (1, commit.hash, commit.recorded_at)
    for subject, headers in (
        ("scrip.ledger.v1.batch.3", None),
        ("scrip.ledger.v1.batch.²", None),
        ("scrip.gateway.v1.batch.2", None),
        (log.subject, {HASH_HEADER: "00" * 32}),
    ):
        with pytest.raises(UnreadableMessage):
            read_message(message(subject, headers))


def test_the_consumers_are_those_of_the_topology() -> None:
    """What is consumed is what the topology declares."""
    assert consumer_module.DURABLE in topology.EVENTS_CONSUMERS
    assert psycopg.OperationalError in consumer_module.DATABASE_OUTAGES
