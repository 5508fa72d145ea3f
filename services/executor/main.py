"""The executor's composition root: what it is made of, in which order it starts, and how it stops."""

import asyncio
import contextlib

import grpc
from scrip.executor.v1 import events_pb2, executor_pb2, executor_pb2_grpc

from scrip_client import LedgerClient
from services.executor import events, meters, settings
from services.executor.availability import Availability
from services.executor.dispatcher import Dispatcher
from services.executor.driver import Driver
from services.executor.intake import Intake
from services.executor.keeper import Keeper
from services.executor.leases import Leases
from services.executor.live import Live
from services.executor.pool import WorkerPool
from services.executor.providers.calls import Providers
from services.executor.providers.client import Client
from services.executor.providers.secrets import Secrets
from services.executor.reaper import Reaper
from services.executor.reservations import Reservations
from services.executor.runner import Runner
from services.executor.servicer import ExecutorServicer
from services.executor.settlement import Settler
from services.executor.specs import RunSpecs
from services.executor.waking import CATALOG_SUBJECT, WAKE_SUBJECT, listen
from services.executor.watch import Watches
from services.runtime import grpc_server, ids, lifecycle, logs, metrics, postgres, tracing
from services.runtime.broker import Broker
from services.runtime.event_log import EventLog
from services.runtime.grpc_client import Peer
from services.runtime.identity import ServiceTokens
from services.runtime.relay import Relay

log = logs.get("executor")

SERVICE = executor_pb2.DESCRIPTOR.services_by_name["ExecutorService"]
DRAIN_SECONDS = 10.0
FLUSH_SECONDS = 2.0


async def serve(stop: asyncio.Event) -> None:
    """Runs the executor until `stop`, then drains: no new jobs, calls under way end or are handed over, what is due is
    settled, the tool processes end."""
    config = settings.load()
    logs.configure("executor", config.log_level, config.log_format)
    executor_id = f"executor-{ids.uuid7()}"
    tokens = ServiceTokens(config.service_tokens_file)
    async with contextlib.AsyncExitStack() as stack:
        # Before anything of gRPC.
        tool_processes = WorkerPool(config.workers, config.worker_memory_mb)
        stack.push_async_callback(asyncio.to_thread, tool_processes.stop)

        pool = await stack.enter_async_context(postgres.open_pool(config.dsn, "executor"))
        broker = Broker(config.nats_url, "executor")
        stack.push_async_callback(broker.close)
        ledger = LedgerClient(config.ledger_address, config.service_token, metadata=tracing.metadata)
        stack.push_async_callback(ledger.close)
        catalog = Peer("catalog", config.catalog_address, config.service_token)
        stack.push_async_callback(catalog.close)

        event_log = EventLog(events_pb2.EventBatch, events.SHARDS, executor_id)
        watches = Watches(pool)
        live = Live(broker, watches)
        reservations = Reservations(ledger)
        secrets = Secrets(config.secrets_dir, config.secrets)
        client = Client(config.provider_bases)
        stack.push_async_callback(client.close)
        specs = RunSpecs(catalog, secrets)
        leases = Leases(pool, config.lease_seconds)
        settler = Settler(pool, event_log, reservations, watches)
        reaper = Reaper(pool, event_log, config.lease_seconds, settler, watches)
        driver = Driver(
            executor_id,
            pool,
            event_log,
            leases,
            Runner(tool_processes, Providers(client, secrets)),
            reservations,
            specs,
            settler,
            watches,
            live,
        )
        dispatcher = Dispatcher(executor_id, pool, leases, tool_processes, driver)
        keeper = Keeper(pool, reservations)
        intake = Intake(pool, event_log, dispatcher, keeper, broker, config.lease_seconds)
        availability = Availability(executor_id, catalog, specs, pool, tool_processes)
        relay = Relay(pool, broker, "executor", events_pb2.EventBatch, event_log.appended)
        meters.HELD.set_function(lambda: len(leases))

        async def be_woken() -> None:
            await listen(broker, {WAKE_SUBJECT: dispatcher.poke, CATALOG_SUBJECT: availability.poke})

        async def is_ready() -> bool:
            return not stop.is_set() and tool_processes.is_alive and await postgres.answers(pool)

        def register(server: grpc.aio.Server) -> None:
            servicer = ExecutorServicer(pool, intake, watches, live, event_log.appended)
            executor_pb2_grpc.add_ExecutorServiceServicer_to_server(servicer, server)

        loops = (
            *driver.loops,
            intake.run,
            keeper.run,
            leases.run,
            reaper.run,
            settler.run,
            watches.run,
            live.run,
            live.listen,
            relay.run,
            dispatcher.run,
            availability.run,
            be_woken,
        )
        await stack.enter_async_context(lifecycle.background(*loops))
        await stack.enter_async_context(metrics.serve_ops(config.ops_listen, is_ready))
        await stack.enter_async_context(grpc_server.serve(config.grpc_listen, tokens, SERVICE, register, is_ready))
        log.info("serving", address=config.grpc_listen, executor_id=executor_id, workers=config.workers)

        await stop.wait()
        log.info("draining", jobs=len(leases))
        availability.stop()
        await dispatcher.drain(DRAIN_SECONDS)
        await settler.flush(FLUSH_SECONDS)
        watches.close()


def main() -> None:
    """`python -m services.executor`."""
    lifecycle.run(serve)
