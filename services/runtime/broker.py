"""NATS: a connection that comes and goes while the service stays up."""

import asyncio

import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.client import JetStreamContext

from services.runtime import lifecycle, logs

log = logs.get("broker")

# What an unreachable or restarting NATS raises; what waits for it tries again.
OUTAGES = (NatsError, OSError, TimeoutError)
CLOSE_SECONDS = 5.0


class Broker:
    """Connects in the background and for ever; PostgreSQL remembers, so nothing depends on NATS being there."""

    def __init__(self, url: str, service: str) -> None:
        self._url = url
        self._service = service
        self._client: Client | None = None

    async def keep_connected(self) -> None:
        """Makes the first connection, however long it takes; nats-py keeps it from then on."""

        async def on_error(error: Exception) -> None:
            log.debug("nats_error", error=str(error))

        async def on_disconnect() -> None:
            # Who stops closes it.
            level = log.debug if lifecycle.stopping() else log.warning
            level("nats_disconnected")

        async def on_reconnect() -> None:
            log.info("nats_reconnected")

        while self._client is None:
            try:
                self._client = await nats.connect(
                    self._url,
                    name=f"scrip-{self._service}",
                    connect_timeout=2,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=0.25,
                    ping_interval=10,
                    max_outstanding_pings=2,
                    pending_size=2 * 1024 * 1024,
                    error_cb=on_error,
                    disconnected_cb=on_disconnect,
                    reconnected_cb=on_reconnect,
                )
            except OUTAGES as error:
                log.warning("nats_down", error=type(error).__name__)
                await asyncio.sleep(0.5)

    @property
    def client(self) -> Client | None:
        """The connection, while there is one."""
        return self._client if self._client and self._client.is_connected else None

    def jetstream(self) -> JetStreamContext | None:
        """JetStream, while connected."""
        client = self.client
        return client.jetstream(timeout=5) if client else None

    async def wake(self, subject: str, word: str = "") -> None:
        """Tells whoever listens on `subject` to look; lost when nobody does, which costs them a poll."""
        client = self.client
        if client:
            try:
                await client.publish(subject, word.encode())
            except OUTAGES as error:
                log.debug("wake_lost", subject=subject, error=type(error).__name__)

    async def close(self) -> None:
        """Closes the connection."""
        if self._client:
            await close(self._client)


async def close(client: Client) -> None:
    """Closes a connection in whatever state it is, within seconds.

    nats-py may still want to write to a transport that is gone; by then its tasks are cancelled.
    """
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await client.close()
    except (*OUTAGES, RuntimeError) as error:
        log.debug("nats_closed_badly", error=str(error))
