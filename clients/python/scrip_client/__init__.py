"""Python client of the Scrip ledger."""

from scrip_client.client import LedgerClient
from scrip_client.errors import LedgerError, LedgerRefusal, LedgerUnavailable
from scrip_client.routing import shard_of
from scrip_client.sender import Answer

__all__ = ["Answer", "LedgerClient", "LedgerError", "LedgerRefusal", "LedgerUnavailable", "shard_of"]
