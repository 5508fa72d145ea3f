"""Migrations of a database that has jobs in it."""

from importlib import resources

import psycopg
import pytest

from services.cli.local.services import SERVICES
from tests.harness.databases import Databases

# The last one before contents of jobs expired.
BEFORE = "0010"
JOB = """
INSERT INTO job (job_id, account_id, tool, tool_version, price_version, quote, input_digest, input_json, file_count,
                 key_id, reference, labels, trace_id, reserved_micros, quoted_micros, round, priority, state,
                 held_until, fence, worker, created_at, units, finished_at, settle_at, output_json, error_reason,
                 settlement, settlement_reason, cached_until)
VALUES (%s, 'acme', 'echo', 1, 1, '', '', '{}', 0, '', '', '{}', '', 0, 0, 0, 100, %s, now(), 0, '', now(), '{}',
        %s, %s, %s, %s, %s, %s, %s)
"""
ENDED = ("2030-01-01", "2030-01-01")
# State, finished_at, settle_at, output, reason of the error, settlement, its reason, cached until.
ROWS = {
    "waits": ("QUEUED", None, None, None, "", "PENDING", "", None),
    "unsettled": ("SUCCEEDED", *ENDED, b"{}", "", "PENDING", "", None),
    "settled": ("SUCCEEDED", *ENDED, b"{}", "", "SETTLED", "", None),
    "cached": ("SUCCEEDED", *ENDED, b"{}", "", "SETTLED", "", "2100-01-01"),
    "failed": ("FAILED", *ENDED, None, "X", "SETTLED", "", None),
    "refused": ("SUCCEEDED", *ENDED, b"{}", "", "REFUSED", "X", None),
}


@pytest.fixture
def dsn(databases: Databases) -> str:
    """A database of before, as its owner."""
    database = databases.create("executor")
    with psycopg.connect(database.owner_dsn, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
        for name, statements in migrations():
            if name[:4] <= BEFORE:
                connection.execute(statements.encode())
    return database.owner_dsn


def migrations() -> list[tuple[str, str]]:
    """Name and text of each, in their order."""
    folder = resources.files(SERVICES["executor"].migrations)
    return sorted((file.name, file.read_text()) for file in folder.iterdir() if file.name.endswith(".sql"))


def test_jobs_of_before_have_a_month_from_the_upgrade(dsn: str) -> None:
    """If they are settled; one whose output is given again for longer keeps it for as long."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for job_id, values in ROWS.items():
            connection.execute(JOB.encode(), (job_id, *values))
        for name, statements in migrations():
            if name[:4] > BEFORE:
                connection.execute(statements.encode())
        found = connection.execute(
            "SELECT job_id, content_expires_at = cached_until, content_expires_at > now() + interval '29 days' FROM job"
        ).fetchall()
    assert {job_id: (is_cached, is_late) for job_id, is_cached, is_late in found} == {
        "waits": (None, None),
        "unsettled": (None, None),
        "settled": (None, True),
        "cached": (True, True),
        "failed": (None, True),
        "refused": (None, True),
    }
