"""What is counted of providers, for /metrics."""

from prometheus_client import Counter, Gauge, Histogram

from services.executor.providers.circuit import State

REQUESTS = Counter("scrip_provider_requests_total", "Requests to providers", ["provider", "kind", "outcome"])
SECONDS = Histogram(
    "scrip_provider_seconds",
    "Seconds until a provider had answered a request whole",
    ["provider", "kind"],
    buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300),
)
RETRIES = Counter("scrip_provider_retries_total", "Requests for work that were sent again", ["provider"])
CIRCUIT = Gauge("scrip_provider_circuit", "Whether a provider is asked: 0 yes, 1 by one as a probe, 2 no", ["provider"])
CIRCUIT_LEVELS = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}
