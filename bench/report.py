"""What a measurement says: one JSON object a line on stdout; what is going on goes to stderr."""

import functools
import json
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from typing import Any

from services.cli.local import binaries


def line(name: str, value: float, unit: str, floor: float, n: int) -> None:
    """One figure: `value` and the `floor` taken in the same run in the same unit, value over floor (null: the floor is
    zero), how many times it was done, and on what."""
    told = {
        "name": name,
        "value": _short(value),
        "unit": unit,
        "floor": _short(floor),
        "ratio": _short(value / floor) if floor else None,
        "n": n,
        "environment": {**_machine(), "load": round(os.getloadavg()[0], 1)},
    }
    print(json.dumps(told, ensure_ascii=False), flush=True)


def progress(text: str) -> None:
    """Tells what is being measured."""
    print(text, file=sys.stderr, flush=True)


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which `percent`, in tenths, of the values lie."""
    if len(values) < 2:
        return values[0]
    return statistics.quantiles(values, n=1_000, method="inclusive")[round(percent * 10) - 1]


@functools.cache
def _machine() -> dict[str, Any]:
    """Cores and memory, in gigabytes, that this process may use, and what runs on them."""
    return {
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "system": platform.system(),
        "python": platform.python_version(),
        "postgresql": binaries.postgres_major(binaries.postgres_bin(None)),
    }


def _short(value: float) -> float:
    return float(f"{value:.4g}")
