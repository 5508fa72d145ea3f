"""The catalog's composition root: what it is made of, started and stopped in order."""

import asyncio
import contextlib
import sys

from scrip.catalog.v1 import catalog_pb2, catalog_pb2_grpc, events_pb2

from services.catalog import categories, quotes
from services.catalog.manifests import files as manifest_files
from services.catalog.manifests.manifest import ManifestError
from services.catalog.quoting import Quoter
from services.catalog.schedule import Schedule
from services.catalog.servicer import CatalogServicer
from services.catalog.settings import Settings
from services.catalog.shipment import Shipment
from services.catalog.snapshot import Snapshot
from services.runtime import grpc_server, ids, lifecycle, logs, metrics, postgres
from services.runtime.broker import Broker
from services.runtime.event_log import EventLog
from services.runtime.identity import ServiceTokens
from services.runtime.relay import Relay
from services.runtime.settings import load

SERVICE = "catalog"
SHARDS = 1


async def serve(stop: asyncio.Event) -> None:
    """Serves until `stop` is set, then drains."""
    settings = load(Settings)
    logs.configure(SERVICE, settings.log_level, settings.log_format)
    keys = quotes.read_keys(settings.quote_keys_file)
    tokens = ServiceTokens(settings.service_tokens_file)
    manifests = manifest_files.shipped()

    async with contextlib.AsyncExitStack() as stack:
        pool = await stack.enter_async_context(postgres.open_pool(settings.dsn, SERVICE))
        broker = Broker(settings.nats_url, SERVICE)
        stack.push_async_callback(broker.close)
        log = EventLog(events_pb2.EventBatch, SHARDS, f"{SERVICE}-{ids.uuid7()}")
        relay = Relay(pool, broker, SERVICE, events_pb2.EventBatch, log.appended)
        snapshot = Snapshot(pool)
        shipment = Shipment(pool, log, snapshot, categories.shipped(), manifests)
        schedule = Schedule(pool, log, snapshot)
        servicer = CatalogServicer(pool, log, snapshot, Quoter(snapshot, keys))

        async def is_ready() -> bool:
            return shipment.is_in and await postgres.answers(pool)

        await stack.enter_async_context(
            lifecycle.background(broker.keep_connected, shipment.run, snapshot.run, schedule.run, relay.run)
        )
        await stack.enter_async_context(metrics.serve_ops(settings.ops_listen, is_ready))
        await stack.enter_async_context(
            grpc_server.serve(
                settings.grpc_listen,
                tokens,
                catalog_pb2.DESCRIPTOR.services_by_name["CatalogService"],
                lambda server: catalog_pb2_grpc.add_CatalogServiceServicer_to_server(servicer, server),
                is_ready,
            )
        )
        await stop.wait()


def main() -> None:
    """Runs the catalog until it is told to stop."""
    try:
        lifecycle.run(serve)
    except ManifestError as error:
        sys.exit(str(error))
