"""What is made of events: each projection is rows of private tables, written in the transaction that moves the cursor.

A projection depends on the events alone (times are those of the commit), so replaying the logs gives the same rows.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import psycopg

from services.analytics.commits import Commit
from services.analytics.projections import catalog
from services.analytics.projections.credit_movements import CreditMovements
from services.analytics.projections.tool_usage import ToolCredits, ToolJobs


class Projection(Protocol):
    """Collects the rows of some commits of one shard, then writes them."""

    def add(self, commit: Commit) -> None:
        """Takes one commit in, whose kinds are all known; pure."""

    async def write(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Writes what was collected in the transaction at hand."""


# By source; each made anew for every transaction, for a shard.
PROJECTIONS: Mapping[str, Sequence[Callable[[int], Projection]]] = {
    "ledger": (CreditMovements, ToolCredits),
    "executor": (ToolJobs,),
    "catalog": (),
}

# By source: the kinds of events for which somebody decided what they mean here. Any other stops its shard.
KNOWN_KINDS: Mapping[str, frozenset[int]] = {
    "ledger": CreditMovements.kinds,
    "executor": ToolJobs.kinds,
    "catalog": catalog.KINDS,
}
