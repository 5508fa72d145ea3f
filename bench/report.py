"""What a measurement says: one JSON object a line on stdout; what is going on goes to stderr."""

import json
import statistics
import sys
from collections.abc import Sequence


def line(name: str, value: float, unit: str, floor: float, n: int) -> None:
    """One figure: `value` and the `floor` taken in the same run in the same unit, and value over floor."""
    ratio = round(value / floor, 3) if floor else None
    print(
        json.dumps({"name": name, "value": _short(value), "unit": unit, "floor": _short(floor), "ratio": ratio, "n": n})
    )
    sys.stdout.flush()


def progress(text: str) -> None:
    """Tells what is being measured."""
    print(text, file=sys.stderr, flush=True)


def percentile(values: Sequence[float], percent: int) -> float:
    """The value below which `percent` of the values lie."""
    if len(values) < 2:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def _short(value: float) -> float:
    return float(f"{value:.4g}")
