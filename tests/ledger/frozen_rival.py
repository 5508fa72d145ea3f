"""A process that freezes while it holds a shard's lock, for `test_rivals`: `python -m tests.ledger.frozen_rival DSN N`.

It stops itself as SIGSTOP would; continued, it ends with 0 if it finds that it no longer holds anything, else with 1.
"""

import asyncio
import os
import signal
import sys

import psycopg

from services.ledger.store.log import LogStore


async def freeze(dsn: str, number: int) -> int:
    """Takes the lock, freezes, and tries to go on."""
    store = LogStore(dsn)
    try:
        async with store.locked(number):
            os.kill(os.getpid(), signal.SIGSTOP)
            await store.hash_of(number, 0)
    except psycopg.Error:
        return 0
    finally:
        await store.close()
    return 1


if __name__ == "__main__":
    sys.exit(asyncio.run(freeze(sys.argv[1], int(sys.argv[2]))))
