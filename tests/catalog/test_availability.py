"""Availability: what executors said within the last 30 seconds."""

import pytest

from services.catalog.availability import AVAILABLE, NO_EXECUTOR, Availability, Report

ROWS = [
    ("nobody said anything", [], NO_EXECUTOR),
    ("one can", [("", 130)], AVAILABLE),
    ("one could", [("", 100)], NO_EXECUTOR),
    ("one can, one cannot", [("MISSING_PACKAGE", 130), ("", 130)], AVAILABLE),
    ("one could, one cannot", [("MISSING_PACKAGE", 130), ("", 99)], "MISSING_PACKAGE"),
    ("two reasons", [("PROVIDER_DOWN", 130), ("MISSING_SECRET", 130)], "MISSING_SECRET"),
]


@pytest.mark.parametrize(("said", "reason"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_tool_is_available_if_any_executor_can_run_it(said: list[tuple[str, float]], reason: str) -> None:
    """One that can is enough; else the reason an operator can act on; words older than 30 seconds are none."""
    reports = {(f"e{number}", "echo", 1): Report(*one) for number, one in enumerate(said)}
    assert Availability(reports).reason("echo", 1, now=100) == reason
    assert Availability(reports).reason("echo", 2, now=100) == NO_EXECUTOR


def test_an_executors_newer_word_replaces_its_older_one() -> None:
    """Not the words of others."""
    before = Availability({("a", "echo", 1): Report("", 130), ("b", "echo", 1): Report("PROVIDER_DOWN", 130)})
    after = before.merged([(("a", "echo", 1), Report("MISSING_SECRET", 140))], now=110)
    assert after.reason("echo", 1, now=110) == "MISSING_SECRET"
    assert after.reason("echo", 1, now=135) == "MISSING_SECRET"


def test_what_the_database_forgot_holds_until_its_time_is_over() -> None:
    """Its table does not survive a crash of PostgreSQL; the executors do."""
    before = Availability({("a", "echo", 1): Report("", 130)})
    assert before.merged([], now=110).reason("echo", 1, now=129) == AVAILABLE
    assert before.merged([], now=110).reason("echo", 1, now=131) == NO_EXECUTOR
