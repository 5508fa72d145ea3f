"""The analytics service, put together."""

import asyncio
import contextlib
from functools import partial

from scrip.analytics.v1 import analytics_pb2, analytics_pb2_grpc

from services.analytics.applier import Applier
from services.analytics.catchup import Catchup
from services.analytics.consumer import Consumer
from services.analytics.servicer import AnalyticsServicer
from services.analytics.settings import Settings
from services.analytics.sources import SOURCES
from services.runtime import grpc_server, lifecycle, logs, metrics, postgres
from services.runtime.grpc_client import Peer
from services.runtime.identity import ServiceTokens
from services.runtime.settings import load

SERVICE = "analytics"


async def serve(stop: asyncio.Event) -> None:
    """Runs until told to stop. Ready means that the own database answers; NATS and the owners may come and go."""
    settings = load(Settings)
    logs.configure(SERVICE, settings.log_level, settings.log_format)
    tokens = ServiceTokens(settings.service_tokens_file)
    owners = {
        "ledger": settings.ledger_address,
        "catalog": settings.catalog_address,
        "executor": settings.executor_address,
    }
    async with contextlib.AsyncExitStack() as stack:
        pool = await stack.enter_async_context(postgres.open_pool(settings.dsn, SERVICE))
        is_ready = partial(postgres.answers, pool)
        applier = Applier(pool)
        catchups: dict[str, Catchup] = {}
        for name, address in owners.items():
            peer = Peer(name, address, settings.service_token)
            stack.push_async_callback(peer.close)
            catchups[name] = Catchup(pool, applier, SOURCES[name], peer)
        consumer = Consumer(settings.nats_url, applier, catchups)
        workers = [catchup.run for catchup in catchups.values()]
        await stack.enter_async_context(lifecycle.background(consumer.run, *workers))
        servicer = AnalyticsServicer(pool)
        await stack.enter_async_context(
            grpc_server.serve(
                settings.grpc_listen,
                tokens,
                analytics_pb2.DESCRIPTOR.services_by_name["AnalyticsService"],
                partial(analytics_pb2_grpc.add_AnalyticsServiceServicer_to_server, servicer),
                is_ready,
            )
        )
        await stack.enter_async_context(metrics.serve_ops(settings.ops_listen, is_ready))
        await stop.wait()


def main() -> None:
    """Runs the service."""
    lifecycle.run(serve)
