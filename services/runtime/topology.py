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
# Where the tokens of providers' calls back are told; lost when nobody listens.
HOOK_SUBJECT = "scrip.hooks"
# The object stores of files (services/runtime/objects.py): those that were uploaded, and those that tools have made.
FILES_BUCKET = "SCRIP_FILES"
OUTPUTS_BUCKET = "SCRIP_OUTPUTS"
BUCKET_BYTES_MAX = 32 * 1024**3
# Uploaded files are deleted when they expire; what nobody remembers any more goes by itself then.
FILES_AGE_SECONDS = 31 * DAY_SECONDS


def batch_subject(service: str, shard: int) -> str:
    """Where the commits of one shard of one service are published."""
    return f"scrip.{service}.v1.batch.{shard}"


def object_stream(bucket: str) -> str:
    """The stream that a bucket of the object store is."""
    return f"OBJ_{bucket}"


async def declare(nats_url: str, replicas: int = 1) -> None:
    """Makes the streams and their consumers as described here, or brings them up to it; within 20 s."""
    events = StreamConfig(
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
    uploaded = "Files that were uploaded, in pieces. The gateway's database says which there are, and until when."
    files = _bucket(FILES_BUCKET, uploaded, FILES_AGE_SECONDS, replicas)
    made = "Files of outputs, in pieces. The executor's database says which there are, and until when."
    outputs = _bucket(OUTPUTS_BUCKET, made, 0, replicas)
    async with asyncio.timeout(20):
        connection = await nats.connect(nats_url, connect_timeout=5, max_reconnect_attempts=3)
        try:
            jetstream = connection.jetstream()
            for stream in (events, files, outputs):
                try:
                    await jetstream.stream_info(str(stream.name))
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


def _bucket(name: str, description: str, age_seconds: int, replicas: int) -> StreamConfig:
    """The stream of a bucket; `age_seconds`: after that, what is still there goes by itself; 0: never."""
    return StreamConfig(
        name=object_stream(name),
        description=description,
        subjects=[f"$O.{name}.C.>", f"$O.{name}.M.>"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        # Full, it takes no more: what it holds was promised.
        discard=DiscardPolicy.NEW,
        max_age=age_seconds,
        max_bytes=BUCKET_BYTES_MAX,
        allow_rollup_hdrs=True,
        allow_direct=True,
        num_replicas=replicas,
    )
