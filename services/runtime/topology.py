"""The one place that declares streams and consumers; services never do. Run by `scrip migrate`, safe to repeat."""

import asyncio

import nats
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import NotFoundError

EVENTS_STREAM = "SCRIP_EVENTS"
# Durable readers of all events; each fills its own gaps from the owners' logs.
EVENTS_CONSUMERS = ("analytics",)
DAY_SECONDS = 24 * 3600


def batch_subject(service: str, shard: int) -> str:
    """Where the commits of one shard of one service are published."""
    return f"scrip.{service}.v1.batch.{shard}"


async def declare(nats_url: str, replicas: int = 1) -> None:
    """Makes the stream and its consumers as described here, or brings them up to it; NATS must answer within 10 s."""
    stream = StreamConfig(
        name=EVENTS_STREAM,
        description="Commits of ledger, catalog and executor, in order within a shard. The owners' logs are the truth.",
        subjects=["scrip.*.v1.batch.*"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD,
        max_age=7 * DAY_SECONDS,
        max_bytes=8 * 1024**3,
        duplicate_window=120,
        num_replicas=replicas,
    )
    async with asyncio.timeout(20):
        connection = await nats.connect(nats_url, connect_timeout=5, max_reconnect_attempts=3)
        try:
            jetstream = connection.jetstream()
            try:
                await jetstream.stream_info(EVENTS_STREAM)
                await jetstream.update_stream(stream)
            except NotFoundError:
                await jetstream.add_stream(stream)
            for name in EVENTS_CONSUMERS:
                consumer = ConsumerConfig(
                    durable_name=name,
                    ack_policy=AckPolicy.EXPLICIT,
                    deliver_policy=DeliverPolicy.ALL,
                    ack_wait=30,
                    max_deliver=5,
                    max_ack_pending=4_096,
                )
                await jetstream.add_consumer(EVENTS_STREAM, consumer)
        finally:
            await connection.close()
