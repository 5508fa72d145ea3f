"""What the tests of the ledger's rules start with."""

import pytest

# Before they are imported: their assertions tell what differs.
pytest.register_assert_rewrite("tests.ledger.domain.player", "tests.ledger.domain.checks")

from tests.ledger.domain.book import Book  # noqa: E402


@pytest.fixture
def book() -> Book:
    """Account `a`, open and without credits."""
    opened = Book()
    opened.open()
    return opened
