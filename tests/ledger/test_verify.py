"""The check of a ledger: silent where all is well, and whatever is changed behind its back is told."""

from collections.abc import AsyncIterator

import psycopg
import pytest
from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.application.proof import verify
from services.ledger.application.proof.verify import Verified
from services.ledger.application.upkeep import snapshotting
from services.ledger.domain.books import added
from services.ledger.domain.postings import Book
from services.runtime import chain, clock, postgres
from services.runtime.postgres import Pool
from tests.harness.databases import Database, Databases
from tests.ledger.busy import make_busy, project_all
from tests.ledger.ledgers import SHARDS, done, grant, open_account, running

# Shard of account a0, and where its account a0 was opened.
ACCOUNT = "a0"


@pytest.fixture
async def database(databases: Databases) -> Database:
    """A ledger in which everything has happened, with its entries, and snapshots in the middle and at the end."""
    fresh = databases.create("ledger")
    async with running(fresh, "a") as (ledger,):
        await make_busy(ledger, accounts=8)
        for number in range(SHARDS):
            await snapshotting.make(fresh.dsn, number)
        await make_busy(ledger, "b", accounts=8)
    for number in range(SHARDS):
        await snapshotting.make(fresh.dsn, number)
    await project_all(fresh)
    return fresh


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    """A pool as the service has it."""
    async with postgres.open_pool(database.dsn, "test") as opened:
        yield opened


async def change(database: Database, statement: str) -> None:
    """What only an operator can do to a database; `{shard}` is that of account a0."""
    number = shard_number()
    async with await psycopg.AsyncConnection.connect(database.owner_dsn) as owner:
        cursor = await owner.execute(statement.replace("{shard}", str(number)).encode())
        assert cursor.rowcount > 0


def shard_number() -> int:
    """The shard of account a0."""
    return verify.shard_of(ACCOUNT, SHARDS)


async def test_a_healthy_ledger_has_no_problems(pool: Pool) -> None:
    """Everything is compared, nothing differs, and the books of all shards come to zero."""
    told: list[int] = []
    verified, between = await verify.verify(pool, told.append)
    assert [problem for one in verified for problem in one.problems] == between == []
    assert len(verified) == SHARDS
    assert sum(told) == sum(one.events for one in verified) == sum(one.entries for one in verified) > 300
    busy = [one for one in verified if one.accounts]
    assert all(1 <= one.snapshots <= 2 for one in busy)
    books = added(one.books for one in verified)
    assert sum(books.values()) == 0
    assert min(books[book] for book in (Book.RESERVED, Book.REVENUE, Book.BREAKAGE)) > 0
    # Two transfers were sent and left alone.
    assert 0 <= books[Book.TRANSIT] <= sum(one.under_way for one in verified) <= 2


async def test_an_empty_ledger_has_no_problems(databases: Databases) -> None:
    """Nothing was ever committed."""
    async with postgres.open_pool(databases.create("ledger").dsn, "test") as pool:
        verified, between = await verify.verify(pool)
    assert [one.commits for one in verified] == [0] * SHARDS
    assert between == [problem for one in verified for problem in one.problems] == []


async def test_what_goes_on_meanwhile_is_no_problem(database: Database, pool: Pool) -> None:
    """Commits, entries and snapshots that come while a shard is checked do not disturb the check."""
    number = shard_number()
    async with running(database, "b") as (ledger,):
        goes_on = iter(range(3))

        async def go_on() -> None:
            await done(ledger, grant(ACCOUNT, 1))
            await snapshotting.make(database.dsn, number)
            await project_all(database)

        class Disturbed(verify._ShardCheck):
            async def _compare_snapshot(self, stored: object) -> None:
                for _ in goes_on:
                    await go_on()
                await super()._compare_snapshot(stored)  # type: ignore[arg-type]

        check = Disturbed(pool, number, await verify.audit.heads(pool))
        await check.run(lambda _events: None)
    assert check.result.problems == []
    assert next(goes_on, None) is None


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        # the log
        (
            "UPDATE log SET body = set_byte(body, length(body) / 2, get_byte(body, length(body) / 2) # 1)"
            " WHERE shard = {shard} AND seq = 2",
            "commit 2: its hash is not that",
        ),
        ("UPDATE log SET body = '\\xff' WHERE shard = {shard} AND seq = 2", "commit 2: its body cannot be read"),
        ("UPDATE log SET hash = sha256(hash) WHERE shard = {shard} AND seq = 2", "commit 2: its hash is not that"),
        ("UPDATE log SET writer = 'x' WHERE shard = {shard} AND seq = 2", "commit 2: its body names another place"),
        ("UPDATE log SET n = n + 1 WHERE shard = {shard} AND seq = 2", "commit 3: begins at position"),
        ("UPDATE log SET at = at - interval '1 day' WHERE shard = {shard} AND seq = 3", "commit 3: recorded at"),
        ("DELETE FROM log WHERE shard = {shard} AND seq = 2", "commit 3: the log lacks 2 before it"),
        ("DELETE FROM log WHERE shard = {shard} AND seq IN (2, 3)", "commit 4: the log lacks 2 to 3 before it"),
        # entries
        ("UPDATE entry SET amount = amount + 1 WHERE shard = {shard} AND position = 3", "its amount is not what"),
        ("UPDATE entry SET available_after = 0 WHERE shard = {shard} AND position = 3", "its available_after is not"),
        ("UPDATE entry SET reserved_after = 9 WHERE shard = {shard} AND position = 3", "its reserved_after is not"),
        ("UPDATE entry SET shard = shard + 1 WHERE shard = {shard} AND position = 3", "its shard is not"),
        ("UPDATE entry SET event = '' WHERE shard = {shard} AND position = 3", "its event is not"),
        ("DELETE FROM entry WHERE shard = {shard} AND position = 3", "is missing"),
        (
            "INSERT INTO entry SELECT 'nobody', position, shard, at, kind, amount, available_after, reserved_after,"
            " grant_id, reservation_id, event FROM entry WHERE shard = {shard} AND position = 3",
            "1 too many",
        ),
        (
            "INSERT INTO entry SELECT account_id, 1000000, shard, at, kind, amount, available_after, reserved_after,"
            " grant_id, reservation_id, event FROM entry WHERE shard = {shard} AND position = 3",
            "1 entries stand after the end of the log",
        ),
        # snapshots
        (
            "UPDATE snapshot_part SET body = body || '\\x0a00' WHERE shard = {shard} AND number = 0",
            "part 0 is not what the log comes to",
        ),
        ("UPDATE snapshot SET hash = sha256(hash) WHERE shard = {shard}", "its hash, time, position or digests"),
        ("DELETE FROM snapshot_part WHERE shard = {shard} AND number = 1", "part 1 is not what"),
        (
            "INSERT INTO snapshot_part SELECT shard, seq, fold_version, 100, body FROM snapshot_part"
            " WHERE shard = {shard} AND number = 0",
            "has more parts",
        ),
        (
            "INSERT INTO snapshot SELECT shard, 1000, fold_version, at, hash, next_position, '{}', made_at"
            " FROM snapshot WHERE shard = {shard} LIMIT 1",
            "the log has no such commit",
        ),
    ],
)
async def test_what_was_changed_is_found(database: Database, pool: Pool, statement: str, problem: str) -> None:
    """A row that was changed, taken away or added is told, in a sentence that names its shard."""
    await change(database, statement)
    one = await verify.verify_shard(pool, shard_number())
    assert any(problem in told for told in one.problems), one.problems
    assert all(told.startswith(f"shard {shard_number()}: ") for told in one.problems)


async def forge(database: Database, events: list[pb.Event], number: int) -> None:
    """Appends a commit that fits into the chain, whatever its events say."""
    async with await psycopg.AsyncConnection.connect(database.owner_dsn) as owner:
        cursor = await owner.execute(
            "SELECT seq, first_position + n, hash FROM log WHERE shard = %s ORDER BY seq DESC LIMIT 1", (number,)
        )
        seq, position, previous = await cursor.fetchone() or (0, 1, bytes(32))
        at = clock.now_us()
        batch = pb.EventBatch(
            shard=number, seq=seq + 1, first_position=position, previous_hash=previous, writer="w", events=events
        )
        batch.recorded_at.FromMicroseconds(at)
        body = batch.SerializeToString()
        digest = chain.link(previous, number, seq + 1, position, len(events), at, "w", body)
        await owner.execute(
            "INSERT INTO log VALUES (%s, %s, %s, %s, %s, 'w', %s, %s)",
            (number, seq + 1, position, len(events), clock.from_us(at), digest, body),
        )


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        (
            pb.Event(kind=pb.EVENT_KIND_BALANCE_REDUCED, account_id="m", amount_micros=1, available_after_micros=9),
            "BALANCE_REDUCED) leaves account m 9 available and 0 reserved by what it says, 99 and 0 by what it moves",
        ),
        (
            pb.Event(
                kind=pb.EVENT_KIND_BALANCE_REDUCED,
                account_id="m",
                amount_micros=1,
                available_after_micros=99,
                allocation_grants=[1],
                allocation_amounts_micros=[2],
            ),
            "account m folds to 98 available and 0 reserved, its events move it to 99 and 0",
        ),
        (
            pb.Event(kind=pb.EVENT_KIND_CREDITS_RESERVED, account_id="nobody", amount_micros=1),
            "cannot be folded (UnknownEventError: the log names account nobody before it was opened)",
        ),
        (
            pb.Event(kind=pb.EVENT_KIND_RESERVATION_RELEASED, account_id="m", reservation_id="none"),
            "cannot be folded (KeyError",
        ),
        (pb.Event(kind=99, account_id="m"), "cannot be folded"),  # type: ignore[arg-type]
        (pb.Event(kind=pb.EVENT_KIND_ACCOUNT_OPENED, account_id="a"), "account a belongs to shard"),
    ],
)
async def test_what_events_say_is_compared_with_what_they_do(
    databases: Databases, event: pb.Event, problem: str
) -> None:
    """A commit whose hash fits and whose events do not is told: money, and who it belongs to."""
    database = databases.create("ledger")
    async with running(database, "a") as (ledger,):
        await done(ledger, open_account("m"))
        await done(ledger, grant("m", 100))
        number = ledger.shard_number("m")
    assert number != verify.shard_of("a", SHARDS)
    await forge(database, [event], number)
    async with postgres.open_pool(database.dsn, "test") as pool:
        one = await verify.verify_shard(pool, number)
    assert any(problem in told for told in one.problems), one.problems


async def test_credits_that_come_from_nowhere_are_told(databases: Databases) -> None:
    """What one shard says it received and none has sent is missing between them."""
    database = databases.create("ledger")
    async with running(database, "a") as (ledger,):
        await done(ledger, open_account("m"))
        number = ledger.shard_number("m")
    arrived = pb.Event(
        kind=pb.EVENT_KIND_CREDITS_GRANTED,
        account_id="m",
        transfer_id="t",
        grant_id="g",
        grant_number=1,
        amount_micros=5,
        available_after_micros=5,
    )
    await forge(database, [arrived], number)
    async with postgres.open_pool(database.dsn, "test") as pool:
        verified, between = await verify.verify(pool)
    assert [one.problems for one in verified] == [[]] * SHARDS
    assert between == ["book transit: -5 microcredits over all shards, transfers under way have 0"]


async def test_the_list_of_problems_has_an_end(database: Database, pool: Pool) -> None:
    """At most a hundred are told of a shard."""
    await change(database, "DELETE FROM entry WHERE shard = {shard}")
    one: Verified = await verify.verify_shard(pool, shard_number())
    assert 0 < len(one.problems) <= verify.PROBLEMS_MAX
    assert len(one.problems) == min(one.events, verify.PROBLEMS_MAX)
