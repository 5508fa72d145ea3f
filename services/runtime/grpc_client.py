"""Calls to another service: own identity, trace, a deadline always, and bounded retries of what may be retried."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, TypeVar

import grpc

from services.runtime import clock, grpc_status, ids, tracing
from services.runtime.grpc_server import MESSAGE_BYTES_MAX

ATTEMPTS = 4
PAUSE_SECONDS = 0.05
# Reasons that stay true however soon one asks again.
_LASTING = frozenset({"TOOL_UNAVAILABLE"})

Response = TypeVar("Response")


class Peer:
    """A channel to one service. Every command is idempotent by its request id, so UNAVAILABLE is simply tried again."""

    def __init__(self, name: str, address: str, token: str) -> None:
        self.name = name
        self._authorization = f"Bearer {token}"
        self.channel = grpc.aio.insecure_channel(
            address,
            options=[
                ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
                ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.min_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", 1_000),
                ("grpc.keepalive_time_ms", 20_000),
                ("grpc.enable_retries", 0),
            ],
        )

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with every call: who we are and whose trace it is."""
        return (("authorization", self._authorization), *tracing.metadata())

    async def call(
        self,
        method: Callable[..., Awaitable[Response]],
        request: Any,
        timeout: float = 5.0,
        attempts: int = ATTEMPTS,
    ) -> Response:
        """One unary call within `timeout` seconds, retries included; raises Refusal."""
        deadline = clock.monotonic() + timeout
        for attempt in range(1, attempts + 1):
            try:
                remaining = max(deadline - clock.monotonic(), 0.001)
                return await method(request, timeout=remaining, metadata=self.metadata())
            except grpc.aio.AioRpcError as error:
                refusal = grpc_status.from_error(error, self.name)
                pause = PAUSE_SECONDS * 2**attempt * (0.5 + ids.fraction())
                retryable = error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED)
                if not retryable or refusal.reason in _LASTING or attempt == attempts:
                    raise refusal from error
                if clock.monotonic() + pause >= deadline:
                    raise refusal from error
                await asyncio.sleep(pause)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def stream(
        self, method: Callable[..., Any], request: Any, timeout: float | None
    ) -> AsyncGenerator[Any, None]:
        """The messages of a server stream; raises Refusal. Close it where it is not read to its end."""
        call = method(request, timeout=timeout, metadata=self.metadata())
        try:
            async for message in call:
                yield message
        except grpc.aio.AioRpcError as error:
            raise grpc_status.from_error(error, self.name) from error
        finally:
            call.cancel()

    async def close(self) -> None:
        """Lets the channel go."""
        await self.channel.close()
