"""A log that is behind or other than it was, and clocks that are wrong: nothing is appended on a belief."""

import asyncio

import psycopg
import pytest
from structlog.testing import capture_logs

from services.ledger.application import committer
from services.ledger.application.committer import LOCKED_COMMITS
from services.ledger.application.ledger import Freshness, Ledger, shard_of
from services.ledger.application.upkeep import snapshotting
from services.runtime import clock
from services.runtime.errors import Refusal
from tests.harness.databases import Database, Databases
from tests.harness.waiting import eventually
from tests.ledger.ledgers import (
    DAY,
    SHARDS,
    done,
    folded,
    grant,
    open_account,
    place_of,
    release,
    reserve,
    running,
    state,
)

DEADLINE_SECONDS = 30
YEAR = 365 * DAY
HOUR = DAY // 24
NUMBER = shard_of("hot", SHARDS)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stopped is looked at again soon."""
    monkeypatch.setattr(committer, "RETRY_SECONDS_MAX", 0.1)


@pytest.fixture
def database(databases: Databases) -> Database:
    """A database of the test's own."""
    return databases.create("ledger")


async def regress(database: Database, after_seq: int) -> None:
    """Takes the newest commits of the shard away, as a failover to a standby that lags would."""
    async with await psycopg.AsyncConnection.connect(database.owner_dsn, autocommit=True) as owner:
        await owner.execute("DELETE FROM log WHERE shard = %s AND seq > %s", (NUMBER, after_seq))


async def spend_three(ledger: Ledger) -> int:
    """Commits a few times; answers the number of the commit before the last two."""
    await done(ledger, open_account("hot"))
    await done(ledger, grant("hot", 100))
    seq: int = place_of(ledger, "hot").shard.seq
    await done(ledger, grant("hot", 20))
    await done(ledger, reserve("hot", "r1", 7))
    return seq


async def refused(ledger: Ledger, what: str) -> str:
    """The reason for which a ledger gives no answer; a refused command, or a read."""
    with pytest.raises(Refusal) as refusal:
        match what:
            case "append" | "append under the lock":
                await ledger.execute([grant("hot", 1)])
            case "read" | "read under the lock":
                await ledger.balance("hot")
            case "refusal":
                await ledger.execute([release("hot", "there is none")])
    return refusal.value.reason


QUESTIONS = ["append", "append under the lock", "read", "read under the lock", "refusal"]


@pytest.mark.parametrize("is_extended", [False, True], ids=["shorter", "other"])
@pytest.mark.parametrize("what", QUESTIONS)
async def test_a_regressed_log_is_not_extended_from_memory(database: Database, what: str, is_extended: bool) -> None:
    """A ledger that folded what its log no longer holds refuses, says so, and serves what the log says from then on."""
    async with running(database, "a") as (ledger,), asyncio.timeout(DEADLINE_SECONDS):
        seq = await spend_three(ledger)
        await regress(database, seq)
        if is_extended:
            async with running(database, "b") as (other,):
                for _ in range(4):
                    await done(other, grant("hot", 1))
        before = state(await folded(database, NUMBER))
        with capture_logs() as lines:
            if "lock" in what:
                place_of(ledger, "hot").locked = LOCKED_COMMITS
            assert await refused(ledger, what) == "UPSTREAM_UNAVAILABLE"
        assert state(await folded(database, NUMBER)) == before
        assert [line["shard"] for line in lines if line["event"] == "shard_stopped"] == [NUMBER]
        assert any("LOG_REGRESSED" in str(line.get("why")) for line in lines)
        _, balance, _, _ = await ledger.balance("hot")
        assert (balance.granted, balance.reserved) == (104 if is_extended else 100, 0)
        await done(ledger, reserve("hot", "r1", 100))


async def test_a_snapshot_of_what_the_log_lost_is_passed_over(database: Database) -> None:
    """Where a snapshot outlives the commits it was made of, the shard is folded without it."""
    async with running(database, "a") as (ledger,), asyncio.timeout(DEADLINE_SECONDS):
        seq = await spend_three(ledger)
    assert await snapshotting.make(database.dsn, NUMBER) is not None
    await regress(database, seq)
    async with running(database, "b") as (ledger,), asyncio.timeout(DEADLINE_SECONDS):
        _, balance, _, _ = await ledger.balance("hot")
        assert (balance.granted, balance.reserved) == (100, 0)
        await done(ledger, reserve("hot", "r1", 100))


async def test_a_standby_notices_a_regressed_log(database: Database) -> None:
    """A ledger that only follows drops what the log lost too, so that answers from memory hold nothing of it."""
    async with running(database, "a") as (writer,), asyncio.timeout(DEADLINE_SECONDS):
        seq = await spend_three(writer)
        async with running(database, "b", tail_seconds=0.02) as (follower,):

            async def has(granted: int) -> bool:
                _, balance, _, _ = await follower.balance("hot", Freshness(may_be_stale=True))
                return balance.granted == granted

            await eventually(lambda: has(120))
            await regress(database, seq)

            async def has_noticed() -> bool:
                try:
                    return await has(100)
                except Refusal as refusal:
                    assert refusal.reason == "UPSTREAM_UNAVAILABLE"
                    return False

            await eventually(has_noticed)


@pytest.mark.parametrize("what", QUESTIONS)
@pytest.mark.parametrize("is_due", [False, True], ids=["nothing due", "something due"])
async def test_a_clock_ahead_is_not_served(
    database: Database, monkeypatch: pytest.MonkeyPatch, what: str, is_due: bool
) -> None:
    """A ledger whose clock is a year ahead appends nothing, expires nothing and answers nothing until it is right."""
    right = clock.now_us
    async with running(database, "a") as (ledger,), asyncio.timeout(DEADLINE_SECONDS):
        await done(ledger, open_account("hot"))
        await done(ledger, grant("hot", 100))
        if is_due:
            await done(ledger, grant("hot", 20, expires_in=30 * DAY))
            await done(ledger, reserve("hot", "r1", 7, ttl=HOUR))
        before = state(await folded(database, NUMBER))
        with monkeypatch.context() as wrong, capture_logs() as lines:
            wrong.setattr(clock, "now_us", lambda: right() + YEAR)
            if "lock" in what:
                place_of(ledger, "hot").locked = LOCKED_COMMITS
            assert await refused(ledger, what) == "UPSTREAM_UNAVAILABLE"
        assert any("CLOCK_AHEAD" in str(line.get("why")) for line in lines)
        assert state(await folded(database, NUMBER)) == before
        _, balance, _, _ = await ledger.balance("hot")
        assert (balance.granted, balance.reserved, balance.expired) == ((120, 7, 0) if is_due else (100, 0, 0))
        await done(ledger, reserve("hot", "r2", 50))


async def test_a_command_is_not_called_too_late_by_a_clock_ahead(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REQUEST_EXPIRED says "never": a ledger whose clock is ahead must not say it of a command that is in time."""
    right = clock.now_us
    async with running(database, "a") as (ledger,), asyncio.timeout(DEADLINE_SECONDS):
        await done(ledger, open_account("hot"))
        command = grant("hot", 100)
        with monkeypatch.context() as wrong:
            wrong.setattr(clock, "now_us", lambda: right() + YEAR)
            with pytest.raises(Refusal, match="UPSTREAM_UNAVAILABLE"):
                await ledger.execute([command])
        await done(ledger, command)


async def test_a_clock_behind_is_harmless(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time never goes back in a shard, whoever writes: what lapsed stays lapsed, and what has time left keeps it."""
    right = clock.now_us
    async with running(database, "a", "b") as (ledger, other), asyncio.timeout(DEADLINE_SECONDS):
        await done(ledger, open_account("hot"))
        await done(ledger, grant("hot", 100))
        await done(ledger, reserve("hot", "r1", 7, ttl=HOUR))
        at = place_of(ledger, "hot").shard.at
        with monkeypatch.context() as wrong:
            wrong.setattr(clock, "now_us", lambda: right() - 2 * HOUR)
            command = reserve("hot", "r2", 50, ttl=HOUR, not_after=right() + DAY)
            answer = await done(ledger, command)
        assert answer.at == at
        _, balance, _, _ = await other.balance("hot")
        assert (balance.available, balance.reserved) == (43, 57)
        assert all(reservation.expires_at >= at + HOUR for reservation in balance.reservations)
