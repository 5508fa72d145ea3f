"""The versions of a tool, and the prices that were in force meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from services.catalog.store import PRICE_COLUMNS, PriceRow
from services.runtime.postgres import Pool

PRICES_MAX = 50

# A price is in force until the next one of its tool comes; what comes together with a version is that version's.
_READ = f"""
SELECT v.version, v.digest, v.created_at, p.created_at, {PRICE_COLUMNS}
  FROM (SELECT * FROM tool_version WHERE slug = %(slug)s AND version < %(before)s
         ORDER BY version DESC LIMIT %(limit)s) v
  LEFT JOIN tool_version next ON next.slug = v.slug AND next.version = v.version + 1
 CROSS JOIN LATERAL (
    SELECT * FROM price p
     WHERE p.slug = v.slug AND p.created_at < coalesce(next.created_at, 'infinity')
       AND NOT EXISTS (SELECT FROM price later WHERE later.slug = p.slug
                       AND later.price_version = p.price_version + 1 AND later.created_at <= v.created_at)
     ORDER BY p.price_version DESC LIMIT {PRICES_MAX}) p
 ORDER BY v.version DESC, p.price_version DESC
"""


@dataclass(frozen=True, slots=True)
class PricePeriod:
    """A price and when it came into force."""

    row: PriceRow
    created_at: datetime


@dataclass(frozen=True, slots=True)
class VersionPeriod:
    """A version, and the prices that were in force while it was the newest, newest first."""

    version: int
    digest: str
    created_at: datetime
    prices: Sequence[PricePeriod]


async def read_versions(pool: Pool, slug: str, before: int, limit: int) -> list[VersionPeriod]:
    """The versions of a tool below a number, newest first."""
    async with pool.connection() as connection:
        cursor = await connection.execute(_READ.encode(), {"slug": slug, "before": before, "limit": limit})
        rows: list[Any] = await cursor.fetchall()
    return [
        VersionPeriod(version, digest, created_at, [PricePeriod(PriceRow(*row[4:]), row[3]) for row in group])
        for (version, digest, created_at), group in groupby(rows, key=lambda row: row[:3])
    ]
