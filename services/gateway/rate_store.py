"""The buckets of all limits, shared by every gateway: one statement takes all permits that are asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.errors import UniqueViolation
from psycopg.rows import class_row

from services.gateway.rates import Rate
from services.runtime.errors import unavailable
from services.runtime.postgres import Pool, outage_refused

TRIES_MAX = 10
PURGE_BUCKETS = 10_000
# The name of an account's own bucket, for all its tools; it sorts before every tool.
WHOLE_ACCOUNT = ""
# Why this is exact. Every row is locked before it is read, by everybody in the same order, and the time is asked when
# all are locked: who comes later sees what was taken before, at a later time. A row that is not there cannot be locked:
# of two statements that would make it the primary key refuses one, which then has taken nothing and is sent again.
# A tool takes no more than its account's bucket leaves to it, so a check takes from both or from neither.
# Rows are found by a subquery each and changed by an upsert: nothing is joined, so the work grows with the asks and not
# with their square, whatever plan is kept.
_TAKE = """
WITH held AS MATERIALIZED (
    SELECT asked.*, bucket.full_at_ns AS was_ns
      FROM unnest(%(accounts)s::text[], %(tools)s::text[], %(counts)s::bigint[], %(intervals)s::bigint[],
                  %(bursts)s::bigint[])
      WITH ORDINALITY AS asked (account_id, tool, n, interval_ns, burst, place)
      LEFT JOIN LATERAL (
           SELECT full_at_ns FROM rate WHERE rate.account_id = asked.account_id AND rate.tool = asked.tool
              FOR NO KEY UPDATE) AS bucket ON true),
moment AS MATERIALIZED (
    SELECT (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint AS now_ns, count(*) FROM held),
room AS (
    SELECT *, greatest(was_ns, now_ns) AS full_ns,
           CASE WHEN interval_ns = 0 THEN n
                ELSE greatest((now_ns + burst * interval_ns - greatest(was_ns, now_ns)) / interval_ns, 0) END AS room
      FROM held CROSS JOIN moment),
wanted AS (
    SELECT *, least(n, room) AS wanted,
           CASE WHEN first_value(tool) OVER of_account = '' THEN first_value(room) OVER of_account END AS account_room
      FROM room WINDOW of_account AS (PARTITION BY account_id ORDER BY place)),
passed AS (
    SELECT *, CASE WHEN account_room IS NULL THEN wanted
                   ELSE least(wanted, greatest(account_room - (sum(wanted) OVER of_account - wanted), 0))::bigint
              END AS passed
      FROM wanted WINDOW of_account AS (PARTITION BY account_id ORDER BY place)),
taken AS (
    SELECT *, CASE WHEN tool = '' THEN (sum(passed) OVER (PARTITION BY account_id))::bigint ELSE passed END AS taken
      FROM passed),
done AS MATERIALIZED (
    SELECT *, full_ns + taken * interval_ns AS full_at_ns, taken * interval_ns > 0 AS differs FROM taken),
changed AS (
    INSERT INTO rate (account_id, tool, full_at_ns)
    SELECT account_id, tool, full_at_ns FROM done WHERE differs AND was_ns IS NOT NULL
        ON CONFLICT (account_id, tool) DO UPDATE SET full_at_ns = excluded.full_at_ns),
made AS (
    INSERT INTO rate (account_id, tool, full_at_ns)
    SELECT account_id, tool, full_at_ns FROM done WHERE differs AND was_ns IS NULL ORDER BY place)
SELECT taken, now_ns, full_at_ns FROM done ORDER BY place
"""
_PURGE = f"""
DELETE FROM rate WHERE (account_id, tool) IN (
    SELECT account_id, tool FROM rate WHERE full_at_ns <= extract(epoch FROM now()) * 1000000000
     LIMIT {PURGE_BUCKETS} FOR UPDATE SKIP LOCKED)
"""


@dataclass(frozen=True, slots=True)
class Ask:
    """`n` permits of an account for a tool. Without a rate the tool has no limit of its own.

    An ask for WHOLE_ACCOUNT names the limit that the account's other asks share, and wants none itself.
    """

    account_id: str
    tool: str
    n: int
    rate: Rate | None


@dataclass(frozen=True, slots=True)
class Taken:
    """Permits that were taken of a bucket, and the bucket afterwards; nanoseconds since 1970."""

    taken: int
    now_ns: int
    full_at_ns: int


class RateStore:
    """The table of buckets."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def take(self, asks: Sequence[Ask]) -> list[Taken]:
        """What is taken for each ask, in their order, which must be that of account and tool, one of each.

        Raises UPSTREAM_UNAVAILABLE while the database is down; then permits may have been taken.
        """
        values = {
            "accounts": [ask.account_id for ask in asks],
            "tools": [ask.tool for ask in asks],
            "counts": [ask.n for ask in asks],
            "intervals": [ask.rate.interval_ns if ask.rate else 0 for ask in asks],
            "bursts": [ask.rate.burst if ask.rate else 0 for ask in asks],
        }
        for _ in range(TRIES_MAX):
            try:
                async with outage_refused(), self._pool.connection() as connection:
                    cursor = connection.cursor(row_factory=class_row(Taken))
                    await cursor.execute(_TAKE.encode(), values)
                    return await cursor.fetchall()
            except UniqueViolation:
                # Another gateway made one of the rows meanwhile.
                continue
        raise unavailable("database")

    async def purge(self) -> int:
        """Removes up to ten thousand buckets that are full; answers how many."""
        async with self._pool.connection() as connection:
            return (await connection.execute(_PURGE.encode())).rowcount
