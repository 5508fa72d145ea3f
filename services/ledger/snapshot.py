"""`python -m services.ledger.snapshot SHARD`: one snapshot, in a process of its own that gives way to others."""

import asyncio
import gc
import os
import sys

from services.ledger.application.upkeep import snapshotting
from services.ledger.settings import Settings
from services.runtime import logs
from services.runtime.settings import load

log = logs.get("snapshots")
NICENESS = 10


def main() -> None:
    """Makes it with the service's own settings; raises where that fails."""
    settings = load(Settings)
    logs.configure("ledger", settings.log_level, settings.log_format)
    os.nice(NICENESS)
    # What is loaded and folded stays: nothing of it is garbage.
    gc.disable()
    asyncio.run(_make(settings.dsn, int(sys.argv[1])))


async def _make(dsn: str, number: int) -> None:
    # Whoever started it may be gone.
    async with asyncio.timeout(snapshotting.MAKE_SECONDS):
        made = await snapshotting.make(dsn, number)
    if made is not None:
        log.info("snapshot", shard=number, seq=made.snapshot.seq, accounts=made.accounts, bytes=made.bytes)


if __name__ == "__main__":
    main()
