"""Keys and idempotency rows on a real database."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from scrip.catalog.v1 import catalog_pb2

from services.gateway.auth import REMEMBER_MAX, Doorkeeper
from services.gateway.bootstrap import ensure_admin_key
from services.gateway.idempotency import IdempotencyStore, ReplayedRefusal, Row
from services.gateway.keys import KeyStore, digest_of
from services.gateway.pages import Page
from services.runtime import postgres
from services.runtime.errors import Refusal
from services.runtime.postgres import Pool
from tests.harness.databases import Database, Databases

ADMIN_KEY = "scrip_admin_AAAAAAAA_" + "a" * 32
OTHER_ADMIN_KEY = "scrip_admin_BBBBBBBB_" + "b" * 32


@pytest.fixture
def database(databases: Databases) -> Database:
    return databases.create("gateway")


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    async with postgres.open_pool(database.dsn, "gateway") as pool:
        yield pool


@pytest.fixture
def store(pool: Pool) -> IdempotencyStore:
    return IdempotencyStore(pool)


def quote(job_id: str) -> catalog_pb2.Quote:
    return catalog_pb2.Quote(job_id=job_id, quote_id=f"q-{job_id}")


async def begin(store: IdempotencyStore, key: str = "k", job_id: str = "job_1") -> Row:
    row = await store.begin("acme", key, b"content", quote(job_id))
    assert row is not None
    return row


def pass_time(database: Database, column: str = "driver_until") -> None:
    """Moves a time of every row into the past."""
    with psycopg.connect(database.owner_dsn, autocommit=True) as connection:
        connection.execute(f"UPDATE idempotency SET {column} = now() - interval '1 s'".encode())


def test_the_first_admin_key_is_made_once(database: Database) -> None:
    """It is stored where there is no admin key, as a hash, and never a second time."""
    assert ensure_admin_key(database.owner_dsn, ADMIN_KEY) is True
    assert ensure_admin_key(database.owner_dsn, ADMIN_KEY) is False
    assert ensure_admin_key(database.owner_dsn, OTHER_ADMIN_KEY) is False
    with psycopg.connect(database.owner_dsn) as connection:
        rows = connection.execute("SELECT key_id, digest, role, account_id FROM api_key").fetchall()
    assert rows == [("AAAAAAAA", digest_of(ADMIN_KEY), "admin", None)]


@pytest.mark.parametrize("key", ["", "x", "scrip_user_AAAAAAAA_" + "a" * 32, ADMIN_KEY + "\n", ADMIN_KEY[:-1]])
def test_only_an_admin_key_can_be_the_first(database: Database, key: str) -> None:
    """Anything else is told apart before the database is asked."""
    with pytest.raises(ValueError, match="key"):
        ensure_admin_key(database.owner_dsn, key)


async def test_keys_of_users_have_accounts_and_others_none(database: Database, pool: Pool) -> None:
    """The database itself refuses a user's key without an account, and takes none of a digest twice."""
    made = await KeyStore(pool).make("acme", "one", None)
    assert made.text is not None
    assert await KeyStore(pool).find(digest_of(made.text)) == made.key
    with psycopg.connect(database.dsn) as connection, pytest.raises(psycopg.errors.CheckViolation) as refused:
        connection.execute(
            "INSERT INTO api_key (key_id, digest, role, name) VALUES ('x', repeat('0', 64), 'user', 'x')"
        )
    assert refused.value.diag.constraint_name == "exactly_user_keys_have_an_account"


async def test_requests_at_once_under_one_key_make_one_api_key(pool: Pool) -> None:
    """One answer has the key's text, the others have null and the same id."""
    keys = KeyStore(pool)
    made = await asyncio.gather(*(keys.make("acme", "one", "request") for _ in range(10)))
    assert sum(one.text is not None for one in made) == 1
    assert len({one.key.key_id for one in made}) == 1
    listed, token = await keys.of_account("acme", Page(50, ""))
    assert (len(listed), token) == (1, "")


async def test_found_keys_are_remembered_for_a_while(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is looked up once in five seconds, unknown keys each time, and memory is bounded."""
    keys = KeyStore(pool)
    text = (await keys.make("acme", "one", None)).text
    asked: list[str] = []
    find = keys.find

    async def counted(digest: str) -> object:
        asked.append(digest)
        return await find(digest)

    monkeypatch.setattr(keys, "find", counted)
    now = [100.0]
    monkeypatch.setattr("services.gateway.auth.clock.monotonic", lambda: now[0])
    doorkeeper = Doorkeeper(keys)
    request = _Request(f"Bearer {text}")
    for _ in range(3):
        assert (await doorkeeper.payer(request)).account_id == "acme"  # type: ignore[arg-type]
    assert len(asked) == 1
    now[0] += 5.1
    await doorkeeper.payer(request)  # type: ignore[arg-type]
    assert len(asked) == 2
    for _ in range(2):
        with pytest.raises(Refusal):
            await doorkeeper.anyone(_Request(f"Bearer {OTHER_ADMIN_KEY}"))  # type: ignore[arg-type]
    assert len(asked) == 4
    assert len(doorkeeper._known) == 1 <= REMEMBER_MAX


class _Request:
    def __init__(self, authorization: str) -> None:
        self.headers = {"authorization": authorization}


async def test_one_of_many_begins_a_row(store: IdempotencyStore) -> None:
    """Of requests at the same time one makes the row; all others find it."""
    rows = await asyncio.gather(*(store.begin("acme", "k", b"c", quote(f"job_{n}")) for n in range(10)))
    (row,) = [row for row in rows if row is not None]
    assert await store.find("acme", "k") == row
    assert await store.find("other", "k") is None


async def test_a_row_is_held_by_one_driver_at_a_time(store: IdempotencyStore, database: Database) -> None:
    """While its driver's time runs nobody takes it over; afterwards one does, and the first changes nothing more."""
    first = await begin(store)
    assert await store.take_over(first) is None
    pass_time(database)
    taken = await asyncio.gather(*(store.take_over(first) for _ in range(5)))
    (second,) = [row for row in taken if row is not None]
    await store.let_go(first)
    await store.forget(first)
    await store.refuse(first, Refusal("INSUFFICIENT_CREDITS", "no"))
    assert await store.replace(first, quote("job_2")) is None
    assert await store.find("acme", "k") == second
    assert await store.take_over(second) is None


async def test_a_row_that_was_let_go_is_free_at_once(store: IdempotencyStore) -> None:
    """Letting go ends the driver's time."""
    row = await begin(store)
    await store.let_go(row)
    assert await store.take_over(row) is not None


async def test_a_replaced_row_leads_to_the_new_job(store: IdempotencyStore) -> None:
    """Its holder may lead it to another quote; who still has the old one gets nothing."""
    row = await begin(store)
    replaced = await store.replace(row, quote("job_2"))
    assert replaced is not None
    assert catalog_pb2.Quote.FromString(replaced.quote).job_id == replaced.job_id == "job_2"
    await store.let_go(replaced)
    assert await store.take_over(row) is None


async def test_a_stored_refusal_is_the_answer(store: IdempotencyStore, database: Database) -> None:
    """It comes back as it was, marked as replayed, and nobody drives its row again."""
    row = await begin(store)
    await store.refuse(row, Refusal("INSUFFICIENT_CREDITS", "words", {"required_micros": 5}))
    found = await store.find("acme", "k")
    assert found is not None
    refusal = found.stored_refusal()
    assert isinstance(refusal, ReplayedRefusal)
    assert (refusal.reason, refusal.message, refusal.metadata) == (
        "INSUFFICIENT_CREDITS",
        "words",
        {"required_micros": "5"},
    )
    pass_time(database)
    assert await store.take_over(found) is None


async def test_a_day_later_a_key_is_new(store: IdempotencyStore, database: Database) -> None:
    """An old row is found by nobody, gives way to a new one, and is purged with the others of its age."""
    for number in range(3):
        await begin(store, f"k{number}")
    pass_time(database, "expires_at")
    assert await store.find("acme", "k0") is None
    again = await begin(store, "k0", "job_2")
    assert again.job_id == "job_2"
    assert await store.purge() == 2
    assert await store.purge() == 0
    assert await store.find("acme", "k0") == again


async def test_an_outage_is_said_where_it_matters(
    store: IdempotencyStore, databases: Databases, database: Database
) -> None:
    """Without its database a store refuses what is asked, and leaves undone what only tidies up."""
    row = await begin(store)
    databases.drop(database)
    with pytest.raises(Refusal) as refused:
        await store.find("acme", "k")
    assert refused.value.reason == "UPSTREAM_UNAVAILABLE"
    await store.let_go(row)
