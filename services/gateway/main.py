"""The gateway's composition root: what it is made of, and how long each part lives."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta

import grpc
from scrip.gateway.v1 import gateway_pb2, gateway_pb2_grpc

from services.gateway import app
from services.gateway.accounts import AccountStore
from services.gateway.auth import Doorkeeper
from services.gateway.executes import Executes
from services.gateway.file_rows import FileRows
from services.gateway.files import SWEEP_FILES, Files
from services.gateway.grpc_door.callers import GatewayCallers
from services.gateway.grpc_door.servicer import GatewayServicer
from services.gateway.idempotency import PURGE_ROWS, IdempotencyStore
from services.gateway.keyed_saga import KeyedSaga
from services.gateway.keys import KeyStore
from services.gateway.live import LiveJobs
from services.gateway.outcomes import Outcomes
from services.gateway.output_files import OutputFiles
from services.gateway.peers import connect
from services.gateway.rate_limits import RateLimits
from services.gateway.rate_store import PURGE_BUCKETS, RateStore
from services.gateway.readiness import SystemReadiness
from services.gateway.saga import Saga
from services.gateway.settings import Settings
from services.gateway.tool_copies import ToolCopies
from services.gateway.waiting import Waits
from services.runtime import grpc_server, lifecycle, logs, metrics, postgres, web
from services.runtime.broker import Broker
from services.runtime.identity import ServiceTokens
from services.runtime.objects import Objects
from services.runtime.settings import load
from services.runtime.topology import FILES_BUCKET

log = logs.get("gateway")

PURGE_SECONDS = 60.0
# A purge that has more to do goes on soon, but leaves the database to requests in between.
PURGE_PAUSE_SECONDS = 1.0
SERVICE = gateway_pb2.DESCRIPTOR.services_by_name["GatewayService"]


async def serve(stop: asyncio.Event) -> None:
    """Serves until told to stop; then waits end, and requests under way get ten seconds."""
    settings = load(Settings)
    logs.configure("gateway", settings.log_level, settings.log_format)
    tokens = ServiceTokens(settings.service_tokens_file)
    async with contextlib.AsyncExitStack() as stack:
        pool = await stack.enter_async_context(postgres.open_pool(settings.dsn, "gateway"))
        peers = await stack.enter_async_context(connect(settings))
        broker = Broker(settings.nats_url, "gateway")
        stack.push_async_callback(broker.close)
        idempotency = IdempotencyStore(pool)
        waits = Waits()
        copies = ToolCopies(peers.catalog)
        buckets = RateStore(pool)
        rows = FileRows(pool, settings.file_account_bytes_max, timedelta(hours=settings.file_hours))
        outputs = OutputFiles(peers.executor)
        files = Files(rows, Objects(broker, FILES_BUCKET), outputs, settings.file_bytes_max)
        rates = RateLimits(buckets, settings.account_rate_per_minute)
        saga = Saga(peers, rates)
        executes = Executes(saga, KeyedSaga(saga, idempotency))
        outcomes = Outcomes(peers.executor, waits)
        live = LiveJobs(peers.executor, waits)
        keys = KeyStore(pool)
        doorkeeper = Doorkeeper(keys)
        parts = app.Parts(
            doorkeeper=doorkeeper,
            keys=keys,
            accounts=AccountStore(pool),
            peers=peers,
            broker=broker,
            copies=copies,
            files=files,
            saga=saga,
            executes=executes,
            outcomes=outcomes,
            live=live,
            readiness=SystemReadiness(pool, peers, broker),
        )

        servicer = GatewayServicer(peers, copies, files, saga, executes, outcomes, live)

        def register(server: grpc.aio.Server) -> None:
            gateway_pb2_grpc.add_GatewayServiceServicer_to_server(servicer, server)

        async def is_ready() -> bool:
            return await postgres.answers(pool)

        await stack.enter_async_context(
            lifecycle.background(
                broker.keep_connected,
                copies.run,
                rates.run,
                lambda: purge(idempotency.purge, PURGE_ROWS),
                lambda: purge(buckets.purge, PURGE_BUCKETS),
                lambda: purge(files.sweep, SWEEP_FILES),
            ),
        )
        await stack.enter_async_context(web.serve(app.create(parts), settings.http_listen))
        callers = GatewayCallers(tokens, doorkeeper)
        await stack.enter_async_context(grpc_server.serve(settings.grpc_listen, callers, SERVICE, register, is_ready))
        # Last, so that nobody is told to come before the door is open.
        await stack.enter_async_context(metrics.serve_ops(settings.ops_listen, is_ready))
        log.info("serving", http=settings.http_listen, grpc=settings.grpc_listen)
        await stop.wait()
        waits.end()


async def purge(remove: Callable[[], Awaitable[int]], rows_max: int) -> None:
    """Removes rows that are of no more use, at most `rows_max` at a time, for ever."""
    while True:
        try:
            removed = await remove()
        except postgres.OUTAGES as error:
            log.warning("purge_waits", error=type(error).__name__)
            removed = 0
        await asyncio.sleep(PURGE_PAUSE_SECONDS if removed == rows_max else PURGE_SECONDS)


def main() -> None:
    """Runs the gateway."""
    lifecycle.run(serve)
