"""The service's own parts over a real database, and what the analyst sees of it."""

import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

import psycopg
from psycopg.rows import dict_row

from services.analytics.applier import Applier
from services.analytics.commits import Commit
from services.analytics.continuation import Continuation
from services.runtime import postgres
from services.runtime.postgres import Pool
from tests.analytics.logs import WrittenLog
from tests.harness.databases import Database

PRIVATE_CONTENT = ("movement", "tool_credits", "tool_jobs", "tool_durations", "indeterminate_job")


def analyst_sees(database: Database, query: str, *parameters: Any) -> list[dict[str, Any]]:
    """Rows of a query as the analyst."""
    with psycopg.connect(database.analyst_dsn, autocommit=True, row_factory=dict_row) as connection:
        return connection.execute(query.encode(), parameters).fetchall()


def content(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Everything the projections hold, sorted; what a rebuild must give again."""
    with psycopg.connect(database.owner_dsn, autocommit=True) as connection:
        return {
            table: sorted(connection.execute(f"SELECT * FROM analytics.{table}").fetchall(), key=repr)
            for table in PRIVATE_CONTENT
        }


@contextlib.asynccontextmanager
async def applying(database: Database) -> AsyncIterator[tuple[Pool, Applier]]:
    """An applier on a pool of its own, as one replica has."""
    async with postgres.open_pool(database.dsn, "analytics", size=4) as pool:
        yield pool, Applier(pool)


async def apply(applier: Applier, log: WrittenLog, commits: Iterable[Commit] | None = None) -> Continuation:
    """Offers commits of a log, else all of it."""
    return await applier.apply(log.source.name, log.shard, log.commits if commits is None else commits, via="test")
