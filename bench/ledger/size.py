"""How long and how much a measurement takes."""

from dataclasses import dataclass

# What a service sets (services/runtime/lifecycle.py).
GC_THRESHOLDS = (100_000, 20, 50)


@dataclass(frozen=True)
class Size:
    """The defaults are those of `make bench-ledger`."""

    seconds: float = 4.0
    """Of each load that is measured."""

    warm_up_seconds: float = 1.0
    callers: tuple[int, ...] = (32, 256)
    """At once; the last is the one for which latencies and routes are measured."""

    accounts: int = 10_000
    accounts_many: int = 1_000_000
    bulk_commands: int = 8_000
    """Of one call."""

    bulk_calls: int = 40
    """Over gRPC, whose requests are made beforehand."""

    pgbench_scale: int = 10
    """Hundred thousand rows each."""

    singles: int = 2_000
    """Commands of a lone caller, one after the other."""

    log_events: int = 400_000
    """Of the log that is replayed."""

    memory_objects: int = 200_000
    memory_ids: int = 2_000_000
    grants: tuple[int, ...] = (1, 10, 1_000)
    reservations: tuple[int, ...] = (1, 1_000, 100_000)
    failovers: int = 10
    crash_seconds: float = 60.0
    crash_callers: int = 24
