"""What analysts see of events."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from scrip.catalog.v1 import events_pb2 as catalog_events
from scrip.executor.v1 import events_pb2 as executor_events
from scrip.ledger.v1 import events_pb2 as ledger_events

from services.analytics.projections import KNOWN_KINDS
from services.analytics.projections.tool_usage import DURATION_BOUNDS_MS, bound_ms
from services.runtime import clock
from tests.analytics.logs import NOON, TRACE, WrittenLog, credit, job
from tests.analytics.support import analyst_sees, apply, applying
from tests.harness.databases import Database, Databases

VIEWS = {
    "tool_usage_daily": (
        "tool, day, total_jobs, successful_jobs, failed_jobs, canceled_jobs, indeterminate_jobs, total_credits,"
        " refunded_credits, avg_duration_ms"
    ),
    "credit_movements": (
        "position, recorded_at, account_id, kind, amount, available_after, reserved_after, grant_id, reservation_id,"
        " job_id, tool, tool_version, price_version, reference, labels, trace_id"
    ),
    "freshness": "projection, position, lag_seconds",
}


@pytest.fixture
def database(databases: Databases) -> Database:
    return databases.create("analytics")


async def usage(database: Database, *jobs_at: tuple[datetime, Any]) -> list[dict[str, Any]]:
    """tool_usage_daily after these events of the executor, each a commit at its time."""
    log = WrittenLog("executor")
    for at, event in jobs_at:
        log.write(event, at=at)
    async with applying(database) as (_, applier):
        await apply(applier, log)
    return analyst_sees(database, "SELECT * FROM analytics.tool_usage_daily ORDER BY tool, day")


@pytest.mark.parametrize(
    ("source", "kinds"),
    [
        ("ledger", ledger_events.EventKind),
        ("executor", executor_events.EventKind),
        ("catalog", catalog_events.EventKind),
    ],
)
def test_every_kind_of_event_is_decided_on(source: str, kinds: Any) -> None:
    """Whoever adds a kind of event says what it means to analysts; only the unspecified one means nothing."""
    assert KNOWN_KINDS[source] == frozenset(kinds.values()) - {0}


# An event of the ledger, and the kind of its row; None: it has none.
MOVEMENTS: dict[str, str | None] = {
    "ACCOUNT_OPENED": None,
    "CREDITS_GRANTED": "granted",
    "GRANT_EXPIRED": "grant_expired",
    "CREDITS_RESERVED": "reserved",
    "RESERVATION_EXTENDED": None,
    "RESERVATION_CAPTURED": "captured",
    "RESERVATION_RELEASED": "released",
    "RESERVATION_EXPIRED": "reservation_expired",
    "REQUEST_REFUSED": None,
    "ACCOUNT_FROZEN": None,
    "ACCOUNT_UNFROZEN": None,
    "ACCOUNT_CLOSED": "closed",
    "CREDIT_LIMIT_CHANGED": None,
    "GRANT_EFFECTIVE": "grant_effective",
    "GRANT_VOIDED": "grant_voided",
    "CAPTURE_REFUNDED": "refunded",
    "BALANCE_REDUCED": "reduced",
    "TRANSFER_SENT": "transfer_sent",
    "TRANSFER_COMPLETED": None,
    "TRANSFER_RETURNED": "transfer_returned",
    "CREDIT_REPAID": None,
    "TRANSFER_REJECTED": None,
}


async def test_an_event_that_moves_credits_has_one_row(database: Database) -> None:
    """Each kind of movement has its word, and what moves nothing has no row, though it takes a position."""
    log = WrittenLog("ledger", shard=3)
    log.write(*(credit(kind) for kind in MOVEMENTS))
    async with applying(database) as (_, applier):
        await apply(applier, log)
    rows = analyst_sees(
        database, "SELECT position, kind FROM analytics.credit_movements ORDER BY split_part(position, ':', 2)::int"
    )
    expected = [(f"3:{n}", word) for n, word in enumerate(MOVEMENTS.values(), start=1) if word]
    assert [(row["position"], row["kind"]) for row in rows] == expected


async def test_a_grant_made_for_later_moves_credits_when_it_comes_in(database: Database) -> None:
    """Scheduled, a grant has no row; effective, it has one; voided before its time or empty, it leaves without one."""
    log = WrittenLog("ledger")
    at = clock.to_us(NOON)
    log.write(
        credit("CREDITS_GRANTED", 1, grant_id="later", effective_at=at + 1),
        credit("CREDITS_GRANTED", 2, grant_id="now", effective_at=at),
        credit("GRANT_EFFECTIVE", 1, grant_id="later"),
        credit("GRANT_VOIDED", 0, grant_id="empty"),
        credit("ACCOUNT_CLOSED", 0),
        credit("CREDITS_RESERVED", 0, reservation_id="free-of-charge"),
    )
    async with applying(database) as (_, applier):
        await apply(applier, log)
    rows = analyst_sees(database, "SELECT kind, grant_id FROM analytics.credit_movements ORDER BY position")
    assert [(row["kind"], row["grant_id"]) for row in rows] == [
        ("granted", "now"),
        ("grant_effective", "later"),
        ("reserved", None),
    ]


async def test_a_movement_says_all_that_its_event_says(database: Database) -> None:
    """Amounts are exact credits, absent fields are null, and the trace of the request reaches the row."""
    log = WrittenLog("ledger")
    log.write(
        credit(
            "RESERVATION_CAPTURED",
            12_345_678,
            available_after_micros=9_007_199_254_740_993,
            reserved_after_micros=1,
            reservation_id="job_abc",
            tool="echo",
            tool_version=3,
            price_version=4,
            reference="order \0 7",
            labels={"team": "blue \0", "a": 'quote"'},
            trace_id=TRACE,
            final=True,
            released_micros=5,
        ),
        credit("CREDITS_GRANTED", 1, grant_id="g1", available_after_micros=-250_000),
        credit("CREDITS_RESERVED", 0, reservation_id="not-for-a-job"),
    )
    async with applying(database) as (_, applier):
        await apply(applier, log)
    captured, granted, reserved = analyst_sees(
        database, "SELECT * FROM analytics.credit_movements ORDER BY split_part(position, ':', 2)::int"
    )
    assert captured == {
        "position": "0:1",
        "recorded_at": NOON,
        "account_id": "demo",
        "kind": "captured",
        "amount": Decimal("12.345678"),
        "available_after": Decimal("9007199254.740993"),
        "reserved_after": Decimal("0.000001"),
        "grant_id": None,
        "reservation_id": "job_abc",
        "job_id": "job_abc",
        "tool": "echo",
        "tool_version": 3,
        "price_version": 4,
        "reference": "order � 7",
        "labels": {"team": "blue �", "a": 'quote"'},
        "trace_id": TRACE,
    }
    assert (granted["amount"], granted["available_after"]) == (Decimal("0.000001"), Decimal("-0.25"))
    absent = ("reservation_id", "job_id", "tool", "tool_version", "price_version", "reference", "trace_id")
    assert [granted[name] for name in absent] == [None] * len(absent)
    assert (granted["grant_id"], granted["labels"]) == ("g1", {})
    assert (reserved["reservation_id"], reserved["job_id"], reserved["amount"]) == ("not-for-a-job", None, Decimal(0))


async def test_jobs_count_on_the_utc_day_they_end(database: Database) -> None:
    """The day is that of the ending, not of its commit; only endings count."""
    before_midnight = datetime(2026, 3, 14, 23, 59, 59, 999_999, tzinfo=UTC)
    after = before_midnight + timedelta(seconds=1)
    rows = await usage(
        database,
        (before_midnight, job("JOB_QUEUED", "job_a", at=None)),
        (before_midnight, job("JOB_STARTED", "job_a", at=None)),
        (before_midnight, job("JOB_REQUEUED", "job_a", at=None)),
        (after, job("JOB_SUCCEEDED", "job_a", at=before_midnight, duration_ms=10)),
        (after, job("JOB_SETTLED", "job_a", at=before_midnight, duration_ms=10)),
        (after, job("JOB_FAILED", "job_b", at=after, duration_ms=5)),
        (after, job("SETTLEMENT_REFUSED", "job_b", at=after, duration_ms=5)),
        (after, job("JOB_SUCCEEDED", "job_c", at=after, duration_ms=6)),
        (after, job("JOB_CANCELED", "job_d", at=after, duration_ms=1_000)),
    )
    counted = [
        (row["day"], row["total_jobs"], row["successful_jobs"], row["failed_jobs"], row["canceled_jobs"])
        for row in rows
    ]
    assert counted == [(date(2026, 3, 14), 1, 1, 0, 0), (date(2026, 3, 15), 3, 1, 1, 1)]
    assert [row["avg_duration_ms"] for row in rows] == [Decimal("10.000"), Decimal("5.500")]


@pytest.mark.parametrize("together", [True, False], ids=["in one transaction", "in several"])
async def test_an_indeterminate_job_counts_until_it_is_resolved(database: Database, together: bool) -> None:
    """Unknown, a job counts as indeterminate; then under its outcome, on the day it became known, and only there."""
    log = WrittenLog("executor")
    log.write(job("JOB_INDETERMINATE", "job_a", at=None), at=NOON)
    log.write(job("JOB_INDETERMINATE", "job_b", at=None), at=NOON)
    resolved = log.write(job("JOB_FAILED", "job_a", at=NOON + timedelta(days=2), duration_ms=7))
    async with applying(database) as (_, applier):
        if not together:
            await apply(applier, log, log.commits[:2])
            (row,) = analyst_sees(database, "SELECT * FROM analytics.tool_usage_daily")
            assert (row["total_jobs"], row["indeterminate_jobs"], row["avg_duration_ms"]) == (2, 2, None)
        await apply(applier, log)
        assert resolved.seq == 3
        first, second = analyst_sees(database, "SELECT * FROM analytics.tool_usage_daily ORDER BY day")
        assert (first["day"], first["total_jobs"], first["indeterminate_jobs"]) == (NOON.date(), 1, 1)
        assert (second["day"], second["total_jobs"], second["failed_jobs"]) == (date(2026, 3, 16), 1, 1)
        log.write(job("JOB_SUCCEEDED", "job_b", at=NOON + timedelta(days=2), duration_ms=7))
        await apply(applier, log)
    (row,) = analyst_sees(database, "SELECT * FROM analytics.tool_usage_daily")
    assert (row["total_jobs"], row["successful_jobs"], row["failed_jobs"], row["indeterminate_jobs"]) == (2, 1, 1, 0)


async def test_credits_count_on_the_utc_day_of_capture(database: Database) -> None:
    """total_credits is the sum of what was captured for the tool, to the last microcredit; other events add nothing."""
    log = WrittenLog("ledger")
    log.write(
        credit("RESERVATION_CAPTURED", 1, tool="echo"),
        credit("RESERVATION_CAPTURED", 2_000_000, tool="echo", released_micros=3_000_000),
        credit("RESERVATION_CAPTURED", 5, tool=""),
        credit("CREDITS_RESERVED", 7, tool="echo"),
        at=NOON,
    )
    log.write(credit("RESERVATION_CAPTURED", 10, tool="echo"), at=NOON + timedelta(hours=12))
    async with applying(database) as (_, applier):
        await apply(applier, log)
    rows = analyst_sees(database, "SELECT * FROM analytics.tool_usage_daily ORDER BY day")
    assert [(row["day"], row["total_credits"]) for row in rows] == [
        (date(2026, 3, 14), Decimal("2.000001")),
        (date(2026, 3, 15), Decimal("0.000010")),
    ]
    assert [(row["total_jobs"], row["refunded_credits"], row["avg_duration_ms"]) for row in rows] == [(0, 0, None)] * 2


async def test_refunds_count_on_the_utc_day_of_refund(database: Database) -> None:
    """refunded_credits is what was given back for the tool on that day; what was captured stays as it was."""
    log = WrittenLog("ledger")
    log.write(
        credit("RESERVATION_CAPTURED", 5_000_000, tool="echo"), credit("CAPTURE_REFUNDED", 1, tool="echo"), at=NOON
    )
    log.write(
        credit("CAPTURE_REFUNDED", 1_500_000, tool="echo"),
        credit("CAPTURE_REFUNDED", 2_000_000, tool="echo"),
        credit("CAPTURE_REFUNDED", 7, tool=""),
        at=NOON + timedelta(hours=12),
    )
    async with applying(database) as (_, applier):
        await apply(applier, log)
    rows = analyst_sees(database, "SELECT * FROM analytics.tool_usage_daily ORDER BY day")
    assert [(row["day"], row["total_credits"], row["refunded_credits"]) for row in rows] == [
        (date(2026, 3, 14), Decimal(5), Decimal("0.000001")),
        (date(2026, 3, 15), Decimal(0), Decimal("3.5")),
    ]


async def test_jobs_and_credits_of_a_day_share_a_row(database: Database) -> None:
    """Whatever shards and logs they come from, a tool and a day have one row."""
    async with applying(database) as (_, applier):
        for shard in (0, 1):
            jobs, credits = WrittenLog("executor", shard), WrittenLog("ledger", shard)
            jobs.write(job("JOB_SUCCEEDED", f"job_{shard}", duration_ms=100))
            credits.write(credit("RESERVATION_CAPTURED", 1_500_000, tool="echo"))
            await apply(applier, jobs)
            await apply(applier, credits)
    (row,) = analyst_sees(database, "SELECT * FROM analytics.tool_usage_daily")
    assert (row["total_jobs"], row["total_credits"], row["avg_duration_ms"]) == (2, Decimal(3), Decimal(100))


async def test_durations_are_kept_as_a_histogram(database: Database) -> None:
    """Successful and failed jobs are counted by class of duration, so that percentiles of any days can be told."""
    await usage(
        database,
        *((NOON, job("JOB_SUCCEEDED", f"job_{n}", duration_ms=ms)) for n, ms in enumerate((0, 1, 100, 100, 2**40))),
        (NOON, job("JOB_CANCELED", "job_x", duration_ms=50)),
    )
    with psycopg.connect(database.owner_dsn) as connection:
        rows = connection.execute("SELECT upper_ms, jobs FROM analytics.tool_durations ORDER BY upper_ms").fetchall()
    assert rows == [(1, 2), (108, 2), (DURATION_BOUNDS_MS[-1], 1)]


def test_a_duration_falls_in_the_class_whose_bound_it_does_not_pass() -> None:
    """Each bound is the largest duration of its class, and classes are at most a fifth wide beyond 16 ms."""
    for lower, upper in pairwise(DURATION_BOUNDS_MS):
        assert (bound_ms(lower), bound_ms(lower + 1), bound_ms(upper)) == (lower, upper, upper)
    narrow = DURATION_BOUNDS_MS[:-1]
    assert all(b / a < 1.22 for a, b in pairwise(narrow) if a >= 16)


@pytest.mark.parametrize(("view", "columns"), VIEWS.items(), ids=VIEWS)
def test_every_view_and_column_is_explained(database: Database, view: str, columns: str) -> None:
    """The analyst's views have exactly the agreed columns, each with a comment."""
    rows = analyst_sees(
        database,
        "SELECT attname, col_description(attrelid, attnum) AS said, obj_description(attrelid, 'pg_class') AS view_said"
        " FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
        f"analytics.{view}",
    )
    assert [row["attname"] for row in rows] == columns.split(", ")
    assert all(row["said"] and row["view_said"] for row in rows)


def test_the_analyst_reads_the_views_and_nothing_else(database: Database) -> None:
    """Every relation of the database but the three views is closed to the analyst, and nothing can be written."""
    relations = analyst_sees(
        database,
        "SELECT c.oid::regclass::text AS name, has_table_privilege(c.oid, 'SELECT') AS readable,"
        " has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') AS writable"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname IN ('analytics', 'public') AND c.relkind IN ('r', 'v', 'm', 'p')",
    )
    assert {row["name"] for row in relations if row["readable"]} == {f"analytics.{view}" for view in VIEWS}
    assert not [row["name"] for row in relations if row["writable"]]
    for statement in (
        "CREATE TABLE analytics.mine (x int)",
        "CREATE TABLE public.mine (x int)",
        "CREATE TEMPORARY TABLE mine (x int)",
        "CREATE SCHEMA mine",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            analyst_sees(database, statement)


def test_the_service_cannot_change_what_it_wrote(database: Database) -> None:
    """Movements are append-only by privilege."""
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        for statement in ("DELETE FROM analytics.movement", "UPDATE analytics.movement SET amount_micros = 0"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
