"""Composition root of the ledger: what is wired to what; nothing else wires."""

import asyncio
import contextlib

from scrip.ledger.v1 import events_pb2, ledger_pb2, ledger_pb2_grpc

from services.ledger.application.ledger import Ledger
from services.ledger.application.reads.reads import Reads
from services.ledger.application.reads.statements import Statements
from services.ledger.application.standby import warm_shards
from services.ledger.application.transfers import Transfers
from services.ledger.application.upkeep.partitions import Partitions
from services.ledger.application.upkeep.snapshotting import Snapshots
from services.ledger.settings import Settings
from services.ledger.transport.servicer import LedgerServicer
from services.runtime import event_log, grpc_server, ids, lifecycle, logs, metrics, postgres
from services.runtime.broker import Broker
from services.runtime.identity import ServiceTokens
from services.runtime.relay import Relay
from services.runtime.settings import load

log = logs.get("ledger")
DATABASE_WAIT_SECONDS = 0.2
# How often the log is looked at for what other replicas append; alone, for what a failover of the database took away.
TAIL_SECONDS = 0.1
TAIL_ALONE_SECONDS = 60.0


async def serve(stop: asyncio.Event) -> None:
    """Runs the ledger until `stop` is set, then drains."""
    settings = load(Settings)
    logs.configure("ledger", settings.log_level, settings.log_format)
    async with contextlib.AsyncExitStack() as stack:
        pool = await stack.enter_async_context(postgres.open_pool(settings.dsn, "ledger"))

        listening = asyncio.Event()

        async def is_ready() -> bool:
            return listening.is_set() and await postgres.answers(pool)

        await stack.enter_async_context(metrics.serve_ops(settings.ops_listen, is_ready))
        shards = await _count_shards(pool, stop)
        if stop.is_set():
            return
        replicas = settings.replica_list
        warm = warm_shards(shards, settings.replica, replicas)
        tail_seconds = TAIL_SECONDS if len(replicas) > 1 else TAIL_ALONE_SECONDS
        ledger = Ledger(settings.dsn, pool, shards, ids.uuid7(), warm, tail_seconds)
        statements = Statements(ledger, pool, ledger.entries_signal)
        transfers = Transfers(ledger)
        broker = Broker(settings.nats_url, "ledger")
        stack.push_async_callback(broker.close)
        relay = Relay(pool, broker, "ledger", events_pb2.EventBatch, ledger.relay_signal)
        await stack.enter_async_context(
            lifecycle.background(
                *ledger.loops,
                statements.project,
                transfers.run,
                broker.keep_connected,
                relay.run,
                Partitions(pool).run,
                Snapshots(pool, warm).run,
            )
        )
        servicer = LedgerServicer(Reads.of(ledger, pool, statements), transfers)
        await stack.enter_async_context(
            grpc_server.serve(
                settings.grpc_listen,
                ServiceTokens(settings.service_tokens_file),
                ledger_pb2.DESCRIPTOR.services_by_name["LedgerService"],
                lambda server: ledger_pb2_grpc.add_LedgerServiceServicer_to_server(servicer, server),
                is_ready,
            )
        )
        listening.set()
        log.info("serving", grpc=settings.grpc_listen, shards=shards)
        await stop.wait()
        log.info("draining")


async def _count_shards(pool: postgres.Pool, stop: asyncio.Event) -> int:
    """How many shards the database was made with; waits for it to come up."""
    while not stop.is_set():
        try:
            if shards := len(await event_log.heads(pool)):
                return shards
            log.error("not_migrated", hint="run `scrip migrate`")
        except postgres.OUTAGES as error:
            log.warning("database_down", error=type(error).__name__)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DATABASE_WAIT_SECONDS):
                await stop.wait()
    return 0


def main() -> None:
    """Entry point of `python -m services.ledger`."""
    lifecycle.run(serve)
