"""The ledger's measurements, by name; see docs/decisions/figures.md for what they say."""

import gc
from collections.abc import Awaitable, Callable

import uvloop

from bench.ledger import costs, crash, door, memory, rates, replicas, storage
from bench.ledger.ground import Ground
from bench.ledger.size import GC_THRESHOLDS, Size
from bench.report import progress
from services.runtime import logs

MEASUREMENTS: dict[str, Callable[[Ground, Size], Awaitable[None]]] = {
    "engine": rates.callers,
    "bulk": rates.bulk,
    "wal": storage.wal,
    "replay": storage.replay,
    "memory": memory.memory,
    "growth": costs.growth,
    "grants": costs.grants,
    "reservations": costs.reservations,
    "rivals": replicas.rivals,
    "routed": replicas.routed,
    "failover": replicas.failover,
    "grpc": door.bulk,
    "singles": door.singles,
    "crash": crash.crash,
}


def measure(name: str, size: Size) -> None:
    """Makes one measurement on a PostgreSQL of its own, and prints its lines."""
    gc.set_threshold(*GC_THRESHOLDS)
    logs.configure("bench", "error", "console")
    progress(f"{name}: {(MEASUREMENTS[name].__doc__ or '').splitlines()[0]}")
    with Ground.opened() as ground:
        uvloop.run(MEASUREMENTS[name](ground, size))  # type: ignore[arg-type]
