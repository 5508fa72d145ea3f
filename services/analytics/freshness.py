"""How far the projections are, as analysts and operators are told."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.runtime.postgres import Pool

# Within a caller's usual deadline, so that it hears what is wrong.
WAIT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Freshness:
    """One projection and one shard of a log it is made from; `lag_seconds` as in the view analytics.freshness."""

    projection: str
    position: str
    lag_seconds: float
    recorded_at: datetime | None
    source: str
    stopped_reason: str


async def read(pool: Pool) -> list[Freshness]:
    """All projections, by name, source and shard."""
    async with pool.connection(timeout=WAIT_SECONDS) as connection:
        rows = await connection.execute(
            "SELECT projection, position, lag_seconds::float8, recorded_at, source, coalesce(stopped_reason, '')"
            " FROM analytics.freshness_by_source ORDER BY projection, source, shard"
        )
        found: list[Any] = await rows.fetchall()
    return [Freshness(*row) for row in found]
