"""Takes commits from JetStream in batches: the fast way in. Whatever it loses, `catchup` reads from the owners.

Every message is acknowledged once it was looked at, fitting or not; only where the own database does not answer is it
asked for again. One replica takes all messages in order; a second one shares them with it, which stays right (see
`applier`) but makes both ask the owners for the other's half.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from faststream import AckPolicy
from faststream.exceptions import FastStreamException
from faststream.nats import JStream, NatsBroker, PullSub
from faststream.nats.message import NatsBatchMessage
from faststream.nats.subscriber.usecases import BatchPullStreamSubscriber
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.api import ConsumerInfo
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from services.analytics import metrics
from services.analytics.applier import Applier
from services.analytics.catchup import Catchup
from services.analytics.commits import Commit, UnreadableMessage, from_message
from services.analytics.continuation import Ending
from services.analytics.sources import SOURCES
from services.runtime import clock, lifecycle, logs
from services.runtime.broker import OUTAGES as BROKER_OUTAGES
from services.runtime.broker import close
from services.runtime.postgres import OUTAGES as DATABASE_OUTAGES
from services.runtime.relay import HASH_HEADER
from services.runtime.topology import EVENTS_STREAM

log = logs.get("consumer")

DURABLE = "analytics"
SUBJECTS = "scrip.*.v1.batch.*"
BATCH_MESSAGES_MAX = 128
# FastStream holds a batch open for so long, so this is what it adds to a row's way to the view at most.
BATCH_SECONDS = 0.2
FETCH_SECONDS_MIN = 0.005
SHARDS_AT_ONCE = 4
FILL_SECONDS = 1.0
NACK_SECONDS = 2.0
LOOK_SECONDS = 2.0
# Messages wait on the server, and none was delivered for so long: the subscription is dead (known upstream).
SILENT_SECONDS = 6.0
PAUSE_SECONDS = 1.0
STOP_SECONDS = 5.0


class _Pull(JetStreamContext.PullSubscription):
    """A pull subscription as FastStream expects it.

    FastStream 0.7.8 collects a batch in several fetches and ends it on nats-py's own TimeoutError. For a fetch that has
    next to no time left nats-py 2.16 raises Python's instead: the batch collected so far would be dropped, to be
    delivered again half a minute later.
    """

    def __init__(self, made: JetStreamContext.PullSubscription) -> None:
        self.__dict__.update(made.__dict__)

    async def fetch(
        self, batch: int = 1, timeout: float | None = BATCH_SECONDS, heartbeat: float | None = None
    ) -> list[Msg]:
        """The messages there are, at most `batch`; raises nats.errors.TimeoutError where there are none in time."""
        if timeout is not None and timeout < FETCH_SECONDS_MIN:
            raise NatsTimeoutError
        try:
            return await super().fetch(batch, timeout, heartbeat)
        except TimeoutError as error:
            raise NatsTimeoutError from error


class Consumer:
    """The durable consumer `analytics` of the events stream; one a process."""

    def __init__(self, url: str, applier: Applier, catchups: dict[str, Catchup]) -> None:
        self._url = url
        self._applier = applier
        self._catchups = catchups
        self._client: Client | None = None
        self._delivered_at = 0.0
        self._gate = asyncio.Semaphore(SHARDS_AT_ONCE)

    async def run(self) -> None:
        """Consumes for ever; NATS may be away, at the start or later, and the consumer not yet declared."""
        while True:
            broker, subscriber = self._broker()
            cause = "lost"
            try:
                cause = await self._consume(broker, subscriber)
            except (NotFoundError, *BROKER_OUTAGES) as error:
                log.warning("not_subscribed", error=type(error).__name__)
            except FastStreamException:
                log.exception("not_subscribed")
            finally:
                await self._stop(broker)
            metrics.RESUBSCRIPTIONS.labels(cause).inc()
            await asyncio.sleep(PAUSE_SECONDS)

    def _broker(self) -> tuple[NatsBroker, BatchPullStreamSubscriber]:
        async def on_error(error: Exception) -> None:
            log.debug("nats_error", error=str(error))

        async def on_disconnect() -> None:
            # Who stops closes it.
            level = log.debug if lifecycle.stopping() else log.warning
            level("nats_disconnected")

        async def on_reconnect() -> None:
            log.info("nats_reconnected")

        broker = NatsBroker(
            self._url,
            name="scrip-analytics-consumer",
            connect_timeout=2,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.25,  # type: ignore[arg-type]  # seconds, passed to asyncio.sleep
            ping_interval=10,
            max_outstanding_pings=2,
            error_cb=on_error,
            disconnected_cb=on_disconnect,
            reconnected_cb=on_reconnect,
            graceful_timeout=STOP_SECONDS,
            apply_types=False,
            logger=logging.getLogger("faststream"),
        )

        subscriber = broker.subscriber(
            SUBJECTS,
            durable=DURABLE,
            stream=JStream(EVENTS_STREAM, declare=False),
            pull_sub=PullSub(batch_size=BATCH_MESSAGES_MAX, timeout=BATCH_SECONDS, batch=True),
            ack_policy=AckPolicy.MANUAL,
            # The messages as they are: bytes that look like JSON must not become something else.
            decoder=_as_they_are,
            no_reply=True,
        )

        @subscriber
        async def on_batch(message: NatsBatchMessage) -> None:
            await self._take(message)

        return broker, subscriber

    async def _consume(self, broker: NatsBroker, subscriber: BatchPullStreamSubscriber) -> str:
        """Connects, subscribes and watches over the subscription; answers why it should be made anew."""
        self._client = client = await broker.connect()
        jetstream = client.jetstream(timeout=LOOK_SECONDS)
        # A subscriber would make a consumer that is missing, with settings of its own. Declaring is the topology's.
        await jetstream.consumer_info(EVENTS_STREAM, DURABLE)
        await broker.start()
        if subscriber.subscription:
            subscriber.subscription = _Pull(subscriber.subscription)
        self._delivered_at = clock.monotonic()
        log.info("subscribed", stream=EVENTS_STREAM, consumer=DURABLE)
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if not client.is_connected:
                # It reconnects by itself, and the time of silence begins anew.
                self._delivered_at = clock.monotonic()
                continue
            try:
                info: ConsumerInfo = await jetstream.consumer_info(EVENTS_STREAM, DURABLE)
            except NotFoundError:
                log.error("consumer_gone", stream=EVENTS_STREAM, consumer=DURABLE)
                return "undeclared"
            except BROKER_OUTAGES as error:
                log.debug("consumer_not_seen", error=type(error).__name__)
                continue
            if info.num_pending and clock.monotonic() - self._delivered_at > SILENT_SECONDS:
                log.warning("subscription_silent", pending=info.num_pending)
                return "silent"

    async def _stop(self, broker: NatsBroker) -> None:
        """Ends subscription and connection within seconds, whatever state they are in."""
        client, self._client = self._client, None
        with contextlib.suppress(*BROKER_OUTAGES, FastStreamException):
            async with asyncio.timeout(STOP_SECONDS):
                await broker.stop()
        if client is not None:
            await close(client)

    async def _take(self, message: NatsBatchMessage) -> None:
        self._delivered_at = clock.monotonic()
        groups = _by_shard(message.raw_message)
        results = await asyncio.gather(
            *(self._apply(source, shard, commits) for (source, shard), commits in groups.items()),
            return_exceptions=True,
        )
        failures = [result for result in results if isinstance(result, BaseException)]
        try:
            if not failures:
                await message.ack()
            elif all(isinstance(failure, DATABASE_OUTAGES) for failure in failures):
                log.warning("database_down", error=type(failures[0]).__name__)
                await message.nack(delay=NACK_SECONDS)
            else:
                raise next(failure for failure in failures if not isinstance(failure, DATABASE_OUTAGES))
        except BROKER_OUTAGES as error:
            # Delivered again, and then known.
            log.debug("not_acknowledged", error=type(error).__name__)

    async def _apply(self, source: str, shard: int, commits: list[Commit]) -> None:
        async with self._gate:
            result = await self._applier.apply(source, shard, commits, via="message")
        if result.ending is Ending.COMPLETE:
            return
        if result.ending is not Ending.GAP:
            # Whether it is this message or the shard that is wrong, the owner's own answer decides.
            log.error("message_does_not_fit", source=source, shard=shard, reason=result.reason)
        await self._catchups[source].fill(shard, FILL_SECONDS)


def _by_shard(messages: Sequence[Msg]) -> dict[tuple[str, int], list[Commit]]:
    """The commits of the messages by source and shard; what cannot be read is told and left out."""
    groups: dict[tuple[str, int], list[Commit]] = {}
    for message in messages:
        try:
            commit = read_message(message)
        except UnreadableMessage as error:
            metrics.UNREADABLE.inc()
            log.error("message_unreadable", subject=message.subject, error=str(error))
            continue
        groups.setdefault((commit.source, commit.shard), []).append(commit)
    return groups


def read_message(message: Msg) -> Commit:
    """The commit in a message; raises UnreadableMessage."""
    parts = message.subject.split(".")
    source = SOURCES.get(parts[1]) if len(parts) == 5 else None
    if source is None or not parts[4].isascii() or not parts[4].isdigit():
        raise UnreadableMessage("no log of that subject is followed")
    commit = from_message(source.name, source.batch_type, int(parts[4]), message.data)
    told = (message.headers or {}).get(HASH_HEADER)
    if told is not None and told != commit.hash.hex():
        raise UnreadableMessage(
            f"the body is not what was committed: its chain value is {commit.hash.hex()}, not {told}"
        )
    return commit


async def _as_they_are(message: NatsBatchMessage) -> NatsBatchMessage:
    return message
