"""Serves an ASGI application on the loop that is running, beside gRPC and NATS."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn

DRAIN_SECONDS = 10


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the lifecycle's."""
        yield


@contextlib.asynccontextmanager
async def serve(app: Any, address: str) -> AsyncIterator[None]:
    """Serves `app` on `host:port` while the body runs; requests under way then get ten seconds to end."""
    host, _, port = address.rpartition(":")
    config = uvicorn.Config(
        app,
        host=host.strip("[]"),
        port=int(port),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        h11_max_incomplete_event_size=64 * 1024,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started and not task.done():  # noqa: ASYNC110 (uvicorn has no event for it)
        await asyncio.sleep(0.01)
    if task.done():
        await task
        raise OSError(f"cannot listen on {address}")
    try:
        yield
    finally:
        server.should_exit = True
        await task
