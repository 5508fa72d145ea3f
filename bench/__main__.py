"""`make bench`: runs the measurements named in the arguments, or all. `make bench-ledger` has more of the ledger's."""

import sys

from bench import cold, execute, jobs, limits, streams, tools
from bench.ledger.measurements import measure
from bench.ledger.size import Size


def engine() -> None:
    """The ledger in process."""
    measure("engine", Size())


MEASUREMENTS = {
    "cold": cold.run,
    "execute": execute.run,
    "jobs": jobs.run,
    "streams": streams.run,
    "limits": limits.run,
    "tools": tools.run,
    "engine": engine,
}


def main() -> None:
    """Runs what is asked for, in the table's order."""
    wanted = sys.argv[1:] or list(MEASUREMENTS)
    unknown = [name for name in wanted if name not in MEASUREMENTS]
    if unknown:
        sys.exit(f"unknown: {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}")
    for name in wanted:
        MEASUREMENTS[name]()


main()
