"""`make bench-ledger`: measures the ledger. One JSON object a line on stdout, progress on stderr.

Arguments name measurements; without any, all are made. One that fails is told and the others go on; the exit status is
then 1.
"""

import argparse
import dataclasses
import signal
import sys
import traceback

from bench.ledger.measurements import MEASUREMENTS, measure
from bench.ledger.size import Size
from bench.report import progress


def main() -> None:
    """Measures what is asked for, in the table's order."""
    parser = argparse.ArgumentParser(prog="bench-ledger", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(MEASUREMENTS)}")
    parser.add_argument("--crash-seconds", type=float, default=Size.crash_seconds, help="how long crash kills")
    asked = parser.parse_args()
    if unknown := [name for name in asked.names if name not in MEASUREMENTS]:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}")
    size = dataclasses.replace(Size(), crash_seconds=asked.crash_seconds)
    # Told to end, it takes its servers and folders along, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    failed = []
    for name in asked.names or MEASUREMENTS:
        try:
            measure(name, size)
        except Exception:  # noqa: BLE001 (whatever one measurement meets, the others are made)
            traceback.print_exc()
            failed.append(name)
    if failed:
        progress(f"failed: {', '.join(failed)}")
        sys.exit(1)


main()
