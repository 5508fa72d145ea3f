"""The table of buckets on a real database: exact whoever asks, however many at once."""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

import psycopg
import pytest

from services.gateway.rate_store import WHOLE_ACCOUNT, Ask, RateStore, Taken
from services.gateway.rates import Rate
from services.runtime import postgres
from tests.harness.databases import Database, Databases

# No permit comes back while a test runs.
SLOW = Rate("tool-hour", 50, 3_600)
SEED = 20_260


@pytest.fixture
def database(databases: Databases) -> Database:
    return databases.create("gateway")


@pytest.fixture
async def stores(database: Database) -> AsyncIterator[tuple[RateStore, RateStore]]:
    """Two gateways' stores."""
    async with postgres.open_pool(database.dsn, "gateway") as one, postgres.open_pool(database.dsn, "gateway") as two:
        yield RateStore(one), RateStore(two)


def ask(account_id: str, tool: str = "echo", n: int = 1, rate: Rate | None = SLOW) -> Ask:
    return Ask(account_id, tool, n, rate)


async def take_one(store: RateStore, given: Ask) -> int:
    (found,) = await store.take([given])
    return found.taken


def rows(database: Database) -> dict[tuple[str, str], int]:
    with psycopg.connect(database.owner_dsn, autocommit=True) as connection:
        found = connection.execute("SELECT account_id, tool, full_at_ns FROM rate").fetchall()
    return {(account_id, tool): full_at_ns for account_id, tool, full_at_ns in found}


def age(database: Database, seconds: int) -> None:
    """So much time passes."""
    with psycopg.connect(database.owner_dsn, autocommit=True) as connection:
        connection.execute("UPDATE rate SET full_at_ns = full_at_ns - %s", (seconds * 10**9,))


async def test_exactly_the_burst_passes_over_two_gateways(stores: tuple[RateStore, RateStore]) -> None:
    """Of a hundred at once on a row that is not there yet, as many as the burst has; not one more or less."""
    passed = await asyncio.gather(*(take_one(store, ask("acme")) for store in stores for _ in range(50)))
    assert sum(passed) == SLOW.burst


async def test_exactly_what_came_back_passes(stores: tuple[RateStore, RateStore], database: Database) -> None:
    """Also where rows are contended: after two intervals two pass, of all that ask."""
    await take_one(stores[0], ask("acme", n=SLOW.burst))
    age(database, 2 * 3_600 // SLOW.limit)
    passed = await asyncio.gather(*(take_one(store, ask("acme", n=3)) for store in stores for _ in range(20)))
    assert sum(passed) == 2


async def test_batches_in_any_order_of_arrival_do_not_wait_for_each_other(
    stores: tuple[RateStore, RateStore],
) -> None:
    """Statements that share many rows, new and old, neither deadlock nor lose a permit."""
    chance = random.Random(SEED)
    names = [f"account-{n}" for n in range(20)]
    wanted = [sorted(chance.sample(names, 12)) for _ in range(60)]
    batches = zip(itertools.cycle(stores), wanted)
    found = await asyncio.gather(*(store.take([ask(name) for name in batch]) for store, batch in batches))
    passed: Counter[str] = Counter()
    for batch, taken in zip(wanted, found, strict=True):
        passed.update({name: one.taken for name, one in zip(batch, taken, strict=True)})
    asked = Counter(name for batch in wanted for name in batch)
    assert passed == {name: min(n, SLOW.burst) for name, n in asked.items()}


async def test_the_statement_agrees_with_the_arithmetic(
    stores: tuple[RateStore, RateStore], database: Database
) -> None:
    """What PostgreSQL takes is what `Rate` says, at the times PostgreSQL tells, over a long random history."""
    chance = random.Random(SEED)
    tools = {"a": Rate("p", 7, 3_600), "b": Rate("p", 900, 3_600), "c": None}
    whole = Rate("account-minute", 70, 60)
    for turn in range(60):
        known = rows(database)
        chosen = sorted(chance.sample(sorted(tools), chance.randint(1, 3)))
        asks = [Ask("acme", tool, chance.randint(1, 4), tools[tool]) for tool in chosen]
        limited = chance.random() < 0.7
        if limited:
            asks.insert(0, Ask("acme", WHOLE_ACCOUNT, 0, whole))
        found = await stores[turn % 2].take(asks)
        assert found == expected(asks, known, found[0].now_ns)
        age(database, chance.choice([0, 0, 1, 30, 600]))


def expected(asks: list[Ask], known: dict[tuple[str, str], int], now_ns: int) -> list[Taken]:
    """The same by `Rate`, one ask after the other."""
    account = next((one.rate for one in asks if one.tool == WHOLE_ACCOUNT), None)
    left = account.room(known.get(("acme", WHOLE_ACCOUNT), 0), now_ns) if account else 10**9
    given = []
    for one in asks:
        full_at_ns = known.get((one.account_id, one.tool), 0)
        passed = min(one.n, left, one.rate.room(full_at_ns, now_ns) if one.rate else one.n)
        left -= passed
        given.append((one, passed, full_at_ns))
    total = sum(passed for _, passed, _ in given)
    return [
        Taken(n, now_ns, one.rate.taken(full_at_ns, now_ns, n) if one.rate else max(full_at_ns, now_ns))
        for one, passed, full_at_ns in given
        for n in [total if one.tool == WHOLE_ACCOUNT else passed]
    ]


async def test_a_refused_check_takes_nothing(stores: tuple[RateStore, RateStore], database: Database) -> None:
    """Neither of the limit that refuses it nor of the other one."""
    store, _ = stores
    whole = Ask("acme", WHOLE_ACCOUNT, 0, Rate("account-minute", 8, 60))
    await store.take([whole, ask("acme", "a", 5)])
    before = rows(database)
    assert [one.taken for one in await store.take([whole, ask("acme", "a", 2)])] == [0, 0], "its tool is used up"
    assert rows(database) == before
    await store.take([whole, ask("acme", "b", 3)])
    before = rows(database)
    found = await store.take([whole, ask("acme", "b"), ask("acme", "c"), ask("acme", "d", rate=None)])
    assert [one.taken for one in found] == [0, 0, 0, 0], "its account is used up"
    assert rows(database) == before


async def test_accounts_do_not_share(stores: tuple[RateStore, RateStore]) -> None:
    """Nor do an account's tools, without a limit of the account."""
    store, _ = stores
    asks = [ask("acme", "a", 9), ask("acme", "b", 9), ask("other", "a", 9)]
    assert [one.taken for one in await store.take(asks)] == [SLOW.burst] * 3


async def test_a_limit_that_changes_counts_what_was_started_before(stores: tuple[RateStore, RateStore]) -> None:
    """The time until the bucket is full stays; under twice the limit that is more permits than a burst has."""
    store, _ = stores
    await take_one(store, ask("acme", n=SLOW.burst))
    assert await take_one(store, ask("acme", rate=replace(SLOW, limit=2 * SLOW.limit))) == 0


async def test_buckets_that_are_full_are_removed(stores: tuple[RateStore, RateStore], database: Database) -> None:
    """The table holds what was used within the window; a bucket that is gone is a full one."""
    store, _ = stores
    await store.take([ask("acme"), ask("other")])
    age(database, 3_600 // SLOW.limit - 20)
    assert await store.purge() == 0
    age(database, 20)
    assert await store.purge() == 2
    assert rows(database) == {}
    assert await take_one(store, ask("acme", n=99)) == SLOW.burst


async def test_removing_and_taking_at_once_lose_nothing(
    stores: tuple[RateStore, RateStore], database: Database
) -> None:
    """A row that goes while others take of it takes no permit along and brings none."""
    for _ in range(10):
        await take_one(stores[0], ask("acme"))
        age(database, 3_600)
        passed, *_ = await asyncio.gather(
            asyncio.gather(*(take_one(store, ask("acme")) for store in stores for _ in range(10))),
            *(store.purge() for store in stores),
        )
        assert sum(passed) == SLOW.burst
        age(database, 3_600)


def test_the_table_does_not_outlive_a_crash(database: Database) -> None:
    """It is written without the log: a few permits are not worth a disk's time."""
    with psycopg.connect(database.owner_dsn) as connection:
        assert connection.execute("SELECT relpersistence FROM pg_class WHERE relname = 'rate'").fetchone() == ("u",)
