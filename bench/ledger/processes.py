"""Processes that gRPC is measured against: real ledgers on one database, each a replica, and the bare echo."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator

import grpc

from bench.ledger.ground import Ground
from services.cli.local import nats
from services.cli.local.ports import HOST, free_ports
from services.cli.local.spawn import guarded
from services.runtime import topology
from tests.harness.databases import Database
from tests.harness.replicas import Replicas

READY_SECONDS = 30
STOP_SECONDS = 20
MESSAGE_BYTES_MAX = 8 * 1024 * 1024


@contextlib.asynccontextmanager
async def ledgers(ground: Ground, database: Database, count: int = 1) -> AsyncIterator[Replicas]:
    """So many ready processes of the ledger over a database, with a NATS that they publish to."""
    folder = ground.folder / f"ledgers-{database.name}"
    folder.mkdir()
    with nats.Server.throwaway(folder / "nats") as broker:
        await topology.declare(broker.broker.url)
        replicas = Replicas(database, folder, count, broker.broker.url)
        try:
            await replicas.start()
            yield replicas
        finally:
            await replicas.stop()


@contextlib.asynccontextmanager
async def echo() -> AsyncIterator[str]:
    """Address of a bare echo (`bench/ledger/echo.py`) that answers."""
    address = f"{HOST}:{free_ports(1)[0]}"
    process = subprocess.Popen(guarded([sys.executable, "-m", "bench.ledger.echo", address]))
    try:
        async with channel(address) as opened, asyncio.timeout(READY_SECONDS):
            await opened.channel_ready()
        yield address
    finally:
        process.kill()
        process.wait(STOP_SECONDS)


def channel(address: str) -> grpc.aio.Channel:
    """A plain channel, which looks often for a server that was away."""
    return grpc.aio.insecure_channel(
        address,
        options=[
            ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
            ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 500),
        ],
    )
