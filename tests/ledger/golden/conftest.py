"""The golden files' tests start with the book of the ledger's rules."""

from tests.ledger.domain.conftest import book

__all__ = ["book"]
