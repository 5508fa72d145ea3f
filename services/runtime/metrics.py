"""Counts and latencies of requests, and the ops door: /metrics, /livez, /readyz over plain HTTP."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import prometheus_client
from prometheus_client import Counter, Histogram

from services.runtime import web

REQUESTS = Counter("scrip_requests_total", "Requests answered", ["door", "method", "code"])
LATENCY = Histogram(
    "scrip_request_seconds",
    "Seconds from request to answer",
    ["door", "method"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60),
)

Check = Callable[[], Awaitable[bool]]
_Message = MutableMapping[str, Any]


def observe(door: str, method: str, code: str, seconds: float) -> None:
    """Counts one answered request; `door` is grpc or http."""
    REQUESTS.labels(door, method, code).inc()
    LATENCY.labels(door, method).observe(seconds)


def render() -> bytes:
    """All metrics of this process in Prometheus' text format."""
    return prometheus_client.generate_latest()


@contextlib.asynccontextmanager
async def serve_ops(address: str, is_ready: Check) -> AsyncIterator[None]:
    """Serves the ops door while the body runs; ready means what `is_ready` answers, asked anew each time."""

    async def app(
        scope: _Message,
        _receive: Callable[[], Awaitable[_Message]],
        send: Callable[[_Message], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            return
        status, body = await _answer(scope["path"], is_ready)
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async with web.serve(app, address):
        yield


async def _answer(path: str, is_ready: Check) -> tuple[int, bytes]:
    match path:
        case "/metrics":
            return 200, render()
        case "/livez":
            return 200, b"alive\n"
        case "/readyz":
            return (200, b"ready\n") if await is_ready() else (503, b"not ready\n")
        case _:
            return 404, b"/metrics, /livez and /readyz are here\n"
