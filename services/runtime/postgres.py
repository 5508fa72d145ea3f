"""PostgreSQL: one pool a service, with deadlines on everything."""

import contextlib
from collections.abc import AsyncIterator

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from services.runtime import logs
from services.runtime.errors import unavailable

log = logs.get("postgres")

CONNECT_TIMEOUT_SECONDS = 5
STATEMENT_TIMEOUT_MS = 10_000
# What says that the server, not the statement, is at fault.
OUTAGES = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)

Pool = AsyncConnectionPool[psycopg.AsyncConnection[tuple[object, ...]]]


@contextlib.asynccontextmanager
async def open_pool(dsn: str, service: str, size: int = 10) -> AsyncIterator[Pool]:
    """A pool of connections in autocommit; it opens at once and connects, again and again, in the background."""
    pool: Pool = AsyncConnectionPool(
        dsn,
        min_size=1,
        max_size=size,
        max_waiting=1_000,
        timeout=CONNECT_TIMEOUT_SECONDS,
        # The pool doubles its pauses without a bound until it gives up, and begins anew at the next request: so it is
        # told to give up soon, or it would come back as long after an outage as the outage lasted.
        reconnect_timeout=2.0,
        open=False,
        check=None,
        kwargs={
            "autocommit": True,
            "application_name": f"scrip-{service}",
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c idle_in_transaction_session_timeout=10000",
            # Poolers in front of PostgreSQL hand each transaction another session.
            "prepare_threshold": 5,
        },
    )
    await pool.open(wait=False)
    try:
        yield pool
    finally:
        await pool.close(timeout=5)


async def answers(pool: Pool) -> bool:
    """Whether the database answers within two seconds; what readiness means."""
    try:
        async with pool.connection(timeout=2) as connection:
            await connection.execute("SELECT 1")
    except OUTAGES as error:
        log.warning("database_down", error=type(error).__name__)
        return False
    return True


@contextlib.asynccontextmanager
async def outage_refused() -> AsyncIterator[None]:
    """Turns an unreachable database into UPSTREAM_UNAVAILABLE; the driver's text stays in the log."""
    try:
        yield
    except OUTAGES as error:
        log.warning("database_down", error=str(error))
        raise unavailable("database") from error
