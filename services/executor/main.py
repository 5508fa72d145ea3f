"""The executor's composition root: in which order it starts, and how it stops."""

import asyncio
import contextlib

import grpc
from scrip.executor.v1 import executor_pb2, executor_pb2_grpc

from services.executor import settings
from services.executor.connections import Connections
from services.executor.executor import Executor
from services.runtime import grpc_server, ids, lifecycle, logs, metrics, postgres
from services.runtime.identity import ServiceTokens

log = logs.get("executor")

SERVICE = executor_pb2.DESCRIPTOR.services_by_name["ExecutorService"]


async def serve(stop: asyncio.Event) -> None:
    """Runs the executor until `stop`, then drains it and ends the tool processes."""
    config = settings.load()
    logs.configure("executor", config.log_level, config.log_format)
    executor_id = f"executor-{ids.uuid7()}"
    tokens = ServiceTokens(config.service_tokens_file)
    async with contextlib.AsyncExitStack() as stack:
        to = await stack.enter_async_context(Connections.opened(config))
        executor = Executor(executor_id, config, to)

        async def is_ready() -> bool:
            return not stop.is_set() and to.tool_processes.is_alive and await postgres.answers(to.pool)

        def register(server: grpc.aio.Server) -> None:
            executor_pb2_grpc.add_ExecutorServiceServicer_to_server(executor.servicer, server)

        await stack.enter_async_context(lifecycle.background(*executor.loops))
        await stack.enter_async_context(metrics.serve_ops(config.ops_listen, is_ready))
        await stack.enter_async_context(grpc_server.serve(config.grpc_listen, tokens, SERVICE, register, is_ready))
        log.info("serving", address=config.grpc_listen, executor_id=executor_id, workers=config.workers)

        await stop.wait()
        log.info("draining", jobs=len(executor))
        await executor.drain()


def main() -> None:
    """`python -m services.executor`."""
    lifecycle.run(serve)
