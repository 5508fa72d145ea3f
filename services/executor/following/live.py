"""What running jobs say, told to their followers as it comes, on whichever executor these ask.

An executor keeps the text of each call it makes; its own followers read on from where they are, so a slow one gets a
longer piece the next time and nothing waits for it. Other executors put the text together from pieces on a subject of
core NATS, one a job, and ask for all of it where one is missing. Nothing of this is needed: the outcome has it all.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from scrip.executor.v1 import executor_pb2

from services.executor.following.watch import Watches
from services.executor.providers.metering import Meter
from services.executor.providers.text import Text
from services.executor.store.rows import Job
from services.runtime import clock, logs
from services.runtime.broker import OUTAGES, Broker
from services.runtime.lifecycle import Signal

log = logs.get("live")

SUBJECT = "scrip.executor.live"
# Tell all again, of the job whose id is the message.
AGAIN_SUBJECT = "scrip.executor.live-again"
# Small pieces go together; the first one of a pause goes at once.
GATHER_SECONDS = 0.02
AGAIN_SECONDS = 0.5
CONNECTED_LOOK_SECONDS = 0.5
CHUNK_CHARACTERS_MAX = 64 * 1024


@dataclass(eq=False)
class _Told:
    """What a job has said, as far as this executor knows."""

    job_id: str
    attempt: int = 0
    text: Text = field(default_factory=Text)
    is_ours: bool = False
    """Whether its call is made here."""
    followers: set[asyncio.Event] = field(default_factory=set)
    published: int = 0
    """Characters that others were told."""
    told_at: float = 0.0
    timer: asyncio.TimerHandle | None = None
    asked_at: float = -AGAIN_SECONDS
    is_subscribed: bool = False
    subscription: Subscription | None = None


class Live:
    """One a process; `run` must be beside it."""

    def __init__(self, broker: Broker, watches: Watches) -> None:
        self._broker = broker
        self._watches = watches
        self._jobs: dict[str, _Told] = {}
        self._unpublished: set[_Told] = set()
        self._wake = Signal()

    @contextlib.contextmanager
    def telling(self, job: Job, meter: Meter | None) -> Iterator[None]:
        """While the body runs, what the meter's text gets is told."""
        if meter is None:
            yield
            return
        told = self._jobs.setdefault(job.job_id, _Told(job.job_id))
        told.attempt, told.text, told.is_ours, told.published = job.attempts, meter.text, True, 0
        meter.text.on_more = lambda: self._gather(told)
        try:
            yield
        finally:
            self._tell(told)
            meter.text.on_more = lambda: None
            # A job that was lost and came back here may be called a second time by now.
            if told.text is meter.text:
                told.is_ours = False
                self._drop_unfollowed(told)

    async def follow(self, account_id: str, job_id: str) -> AsyncIterator[executor_pb2.Job | executor_pb2.Chunk]:
        """The job as `Watches.follow` tells it, and between, what it says: all of that from its beginning, in order.

        Raises JOB_NOT_FOUND, also for a job of another account.
        """
        woken = asyncio.Event()
        attempt, at = 0, 0
        async with self._listening(job_id, woken) as told:
            async for job in self._watches.heed(account_id, job_id, woken):
                is_end = job is not None and job.HasField("finished_at")
                if job is not None and not is_end:
                    yield job
                if told.attempt != attempt:
                    attempt, at = told.attempt, 0
                text = told.text
                while piece := text.after(at, CHUNK_CHARACTERS_MAX):
                    yield executor_pb2.Chunk(attempt=attempt, offset=at, text=piece)
                    at += len(piece)
                if job is not None and is_end:
                    yield job

    async def run(self) -> None:
        """Publishes what is said here, for ever; while NATS is away nobody else is told."""
        while True:
            await self._wake.wait(1.0)
            due, self._unpublished = self._unpublished, set()
            for told in due:
                await self._publish(told)

    async def listen(self) -> None:
        """Tells all again of a job that runs here when another executor asks."""
        while (client := self._broker.client) is None:  # noqa: ASYNC110 (nats-py has no event for it)
            await asyncio.sleep(CONNECTED_LOOK_SECONDS)

        async def again(message: Msg) -> None:
            told = self._jobs.get(message.data.decode(errors="replace"))
            if told is not None and told.is_ours:
                told.published = 0
                self._publish_soon(told)

        await client.subscribe(AGAIN_SUBJECT, cb=again)

    def _gather(self, told: _Told) -> None:
        if told.timer is not None:
            return
        wait = told.told_at + GATHER_SECONDS - clock.monotonic()
        if wait <= 0:
            self._tell(told)
        else:
            told.timer = asyncio.get_running_loop().call_later(wait, self._tell, told)

    def _tell(self, told: _Told) -> None:
        if told.timer is not None:
            told.timer.cancel()
            told.timer = None
        told.told_at = clock.monotonic()
        for woken in told.followers:
            woken.set()
        self._publish_soon(told)

    def _publish_soon(self, told: _Told) -> None:
        self._unpublished.add(told)
        self._wake.poke()

    async def _publish(self, told: _Told) -> None:
        attempt, text, client = told.attempt, told.text, self._broker.client
        if client is None:
            return
        try:
            while piece := text.after(told.published, CHUNK_CHARACTERS_MAX):
                chunk = executor_pb2.Chunk(attempt=attempt, offset=told.published, text=piece)
                told.published += len(piece)
                await client.publish(subject_of(told.job_id), chunk.SerializeToString())
        except OUTAGES as error:
            log.debug("chunks_lost", job_id=told.job_id, error=type(error).__name__)

    @contextlib.asynccontextmanager
    async def _listening(self, job_id: str, woken: asyncio.Event) -> AsyncIterator[_Told]:
        told = self._jobs.setdefault(job_id, _Told(job_id))
        told.followers.add(woken)
        try:
            await self._subscribe(told)
            yield told
        finally:
            told.followers.discard(woken)
            self._drop_unfollowed(told)
            if not told.followers:
                await self._unsubscribe(told)

    async def _subscribe(self, told: _Told) -> None:
        client = self._broker.client
        if told.is_ours or told.is_subscribed or client is None:
            return
        told.is_subscribed = True

        async def hear(message: Msg) -> None:
            await self._hear(told, message.data)

        try:
            told.subscription = await client.subscribe(subject_of(told.job_id), cb=hear)
            await self._ask_again(told)
        except OUTAGES as error:
            log.debug("not_subscribed", job_id=told.job_id, error=type(error).__name__)

    async def _unsubscribe(self, told: _Told) -> None:
        subscription, told.subscription, told.is_subscribed = told.subscription, None, False
        if subscription is not None:
            with contextlib.suppress(*OUTAGES):
                await subscription.unsubscribe()

    async def _hear(self, told: _Told, message: bytes) -> None:
        """A piece of what a job says elsewhere; one of an earlier attempt is nothing."""
        try:
            chunk = executor_pb2.Chunk.FromString(message)
        except DecodeError:
            return
        if told.is_ours or chunk.attempt < told.attempt:
            return
        if chunk.attempt > told.attempt:
            told.attempt, told.text = chunk.attempt, Text()
        if not told.text.put_at(chunk.offset, chunk.text):
            await self._ask_again(told)
            return
        for woken in told.followers:
            woken.set()

    async def _ask_again(self, told: _Told) -> None:
        client, now = self._broker.client, clock.monotonic()
        if client is not None and now - told.asked_at >= AGAIN_SECONDS:
            told.asked_at = now
            with contextlib.suppress(*OUTAGES):
                await client.publish(AGAIN_SUBJECT, told.job_id.encode())

    def _drop_unfollowed(self, told: _Told) -> None:
        if not told.followers and not told.is_ours and self._jobs.get(told.job_id) is told:
            del self._jobs[told.job_id]


def subject_of(job_id: str) -> str:
    """Where the pieces of a job's text are published; an id may hold what has a meaning in a subject."""
    return f"{SUBJECT}.{hashlib.sha256(job_id.encode()).hexdigest()[:32]}"
