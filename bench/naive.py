"""The yardstick: reserve and capture as most would write them, a row lock on the balance for each command."""

import contextlib
from collections.abc import AsyncIterator

import psycopg
from psycopg_pool import AsyncConnectionPool

from bench.load import rate
from services.runtime import ids

SCHEMA = """
CREATE TABLE naive_account (id text PRIMARY KEY, available bigint NOT NULL, reserved bigint NOT NULL);
CREATE TABLE naive_event (
    id bigserial PRIMARY KEY, account_id text NOT NULL, kind text NOT NULL, request_id text NOT NULL UNIQUE,
    reservation_id text NOT NULL, amount bigint NOT NULL, at timestamptz NOT NULL DEFAULT now()
);
"""

Pool = AsyncConnectionPool[psycopg.AsyncConnection[tuple[int, int]]]


@contextlib.asynccontextmanager
async def opened(dsn: str, accounts: int, callers: int) -> AsyncIterator["Naive"]:
    """Tables with so many rich accounts, and a connection for each of up to 32 callers."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute(SCHEMA)
        await connection.execute(
            "INSERT INTO naive_account SELECT 'account-' || n, 1000000000000, 0 FROM generate_series(0, %s) n",
            (accounts,),
        )
    pool: Pool = AsyncConnectionPool(dsn, min_size=1, max_size=min(callers, 32), open=False, timeout=120)
    await pool.open()
    try:
        yield Naive(pool)
    finally:
        await pool.close()
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            await connection.execute("DROP TABLE naive_account, naive_event")


class Naive:
    """SELECT … FOR UPDATE, INSERT, UPDATE, COMMIT: four round trips a command."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def pair(self, account_id: str) -> None:
        """One reserve and its capture, each durable."""
        reservation_id = ids.uuid7()
        await self._command(account_id, reservation_id, "reserve", -1, 1)
        await self._command(account_id, reservation_id, "capture", 0, -1)

    async def _command(self, account_id: str, reservation_id: str, kind: str, available: int, reserved: int) -> None:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT available, reserved FROM naive_account WHERE id = %s FOR UPDATE", (account_id,)
            )
            row = await cursor.fetchone()
            if row is None or row[0] + available < 0:
                raise LookupError(account_id)
            await connection.execute(
                "INSERT INTO naive_event (account_id, kind, request_id, reservation_id, amount)"
                " VALUES (%s, %s, %s, %s, 1)",
                (account_id, kind, ids.uuid7(), reservation_id),
            )
            await connection.execute(
                "UPDATE naive_account SET available = available + %s, reserved = reserved + %s WHERE id = %s",
                (available, reserved, account_id),
            )
            await connection.commit()


async def pairs_a_second(dsn: str, accounts: int, callers: int, seconds: float) -> float:
    """Pairs a second of so many callers at once, in tables of their own."""
    async with opened(dsn, accounts, callers) as naive:
        return (await rate(naive.pair, callers, accounts, seconds))[0]
