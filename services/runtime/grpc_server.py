"""A gRPC server as every service runs it: identity, deadlines, rich errors, metrics, health, reflection, drain."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.runtime import clock, grpc_status, logs, metrics, tracing
from services.runtime.errors import Refusal, unavailable
from services.runtime.identity import Callers
from services.runtime.postgres import OUTAGES

log = logs.get("grpc")

MESSAGE_BYTES_MAX = 8 * 1024 * 1024
UNARY_DEADLINE_SECONDS = 30.0
DRAIN_SECONDS = 10.0
# Health and reflection tell no secret and are asked by probes that have no token.
_OPEN_DOORS = ("/grpc.health.", "/grpc.reflection.")
OPTIONS = [
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
]


class _Door(grpc.aio.ServerInterceptor):
    """Stands before every method: who calls, until when, and what may be said when it fails."""

    def __init__(self, callers: Callers, domain: str) -> None:
        self._callers = callers
        self._domain = domain

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith(_OPEN_DOORS):
            return handler
        metadata = dict(handler_call_details.invocation_metadata or ())
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                self._unary(method, metadata, handler.unary_unary),
                handler.request_deserializer,
                handler.response_serializer,
            )
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(
                self._stream(method, metadata, handler.unary_stream),
                handler.request_deserializer,
                handler.response_serializer,
            )
        # A client's stream would pass unseen: until the door knows it, it stays shut (UNIMPLEMENTED).
        return None

    def _unary(self, method: str, metadata: Mapping[str, Any], behavior: Any) -> Any:
        async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            async with self._answering(method, metadata, context):
                remaining = context.time_remaining()
                seconds = UNARY_DEADLINE_SECONDS if remaining is None else min(remaining, UNARY_DEADLINE_SECONDS)
                async with asyncio.timeout(seconds):
                    return await behavior(request, context)

        return call

    def _stream(self, method: str, metadata: Mapping[str, Any], behavior: Any) -> Any:
        async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
            async with self._answering(method, metadata, context):
                async for response in behavior(request, context):
                    yield response

        return call

    @contextlib.asynccontextmanager
    async def _answering(
        self, method: str, metadata: Mapping[str, Any], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[None]:
        started = clock.monotonic()
        trace = tracing.begin(metadata.get(tracing.HEADER))
        refusal: Refusal | None = None
        code = "OK"
        try:
            await self._callers.authenticate(metadata.get("authorization", ""))
            yield
        except Refusal as error:
            refusal = error
            if error.reason == "INTERNAL":
                log.error("request_failed", method=method, detail=error.message, metadata=error.metadata)
                refusal = _internal(trace)
        except NotImplementedError:
            refusal = Refusal("METHOD_NOT_ALLOWED", f"{method} is not offered here")
        except TimeoutError:
            refusal = Refusal("DEADLINE_EXCEEDED", "the deadline passed before there was an answer")
        except OUTAGES as error:
            log.warning("database_down", method=method, error=str(error))
            refusal = unavailable("database")
        except (asyncio.CancelledError, GeneratorExit):
            code = "CANCELLED"
            raise
        except Exception:
            log.exception("request_failed", method=method)
            refusal = _internal(trace)
        finally:
            code = refusal.code.name if refusal else code
            seconds = clock.monotonic() - started
            metrics.observe("grpc", method, code, seconds)
            log.debug("request", method=method, code=code, reason=refusal and refusal.reason, seconds=seconds)
        if refusal:
            await context.abort_with_status(grpc_status.to_status(refusal, self._domain))


def _internal(trace: str) -> Refusal:
    """All that is said of what went wrong here."""
    return Refusal("INTERNAL", f"something failed here; trace {trace}", {"trace_id": trace})


@contextlib.asynccontextmanager
async def serve(
    address: str,
    callers: Callers,
    service: ServiceDescriptor,
    register: Callable[[grpc.aio.Server], None],
    is_ready: metrics.Check,
) -> AsyncIterator[None]:
    """Serves while the body runs, then drains: health turns NOT_SERVING, calls under way get ten seconds.

    Health says SERVING for "" and for the service as long as `is_ready` answers true; it is asked once a second.
    """
    domain = ".".join(service.full_name.split(".")[:2])
    server = grpc.aio.server(interceptors=[_Door(callers, domain)], options=OPTIONS)
    register(server)
    checks = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    names = (service.full_name, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    if server.add_insecure_port(address) == 0:
        raise OSError(f"cannot listen on {address}")
    await server.start()

    async def tell_health() -> None:
        while True:
            serving = await is_ready()
            status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
            for name in ("", service.full_name):
                await checks.set(name, status)
            await asyncio.sleep(1.0 if serving else 0.1)

    teller = asyncio.create_task(tell_health())
    try:
        yield
    finally:
        teller.cancel()
        await checks.enter_graceful_shutdown()
        await server.stop(DRAIN_SECONDS)
