"""How long to wait before a provider is asked again."""

import math

from services.executor.providers.responses import Response
from services.runtime import ids

BACKOFF_SECONDS = 0.5
BACKOFF_SECONDS_MAX = 15.0
RETRY_AFTER_SECONDS_MAX = 300.0


def backoff(count: int) -> float:
    """Seconds after the `count`th failure: anything up to a bound that doubles, so that callers spread."""
    return min(BACKOFF_SECONDS * float(2 ** min(count - 1, 10)), BACKOFF_SECONDS_MAX) * ids.fraction()


def retry_after(response: Response, count: int) -> float:
    """Seconds as the provider wants them, within bounds; else our own."""
    millis = response.headers.get("retry-after-ms", "")
    seconds = response.headers.get("retry-after", "")
    try:
        wanted = float(millis) / 1000 if millis else float(seconds)
    except ValueError:
        return backoff(count)
    return min(max(wanted, 0.0), RETRY_AFTER_SECONDS_MAX) if math.isfinite(wanted) else backoff(count)
