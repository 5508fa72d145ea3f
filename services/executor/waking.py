"""What wakes this executor: jobs that another one took in or was asked to cancel, changes of the catalog, and providers
that call back.

None of these messages is needed: whoever is poked looks now and then anyway.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from nats.aio.msg import Msg

from services.runtime.broker import Broker
from services.runtime.topology import batch_subject

WAKE_SUBJECT = "scrip.executor.wake"
CANCEL_SUBJECT = "scrip.executor.cancel"
# The catalog's log has one shard.
CATALOG_SUBJECT = batch_subject("catalog", 0)
CONNECTED_LOOK_SECONDS = 0.5


async def listen(
    broker: Broker, pokes: Mapping[str, Callable[[], None]], words: Mapping[str, Callable[[str], None]]
) -> None:
    """Pokes for each message on a subject, or passes its word on; the client renews the subscriptions by itself."""
    await broker.keep_connected()
    while (client := broker.client) is None:  # noqa: ASYNC110 (nats-py has no event for it)
        await asyncio.sleep(CONNECTED_LOOK_SECONDS)
    for subject, poke in pokes.items():
        await client.subscribe(subject, cb=_poking(poke))
    for subject, take in words.items():
        await client.subscribe(subject, cb=_passing(take))


def _poking(poke: Callable[[], None]) -> Callable[[Msg], Awaitable[None]]:
    async def woken(_message: Msg) -> None:
        poke()

    return woken


def _passing(take: Callable[[str], None]) -> Callable[[Msg], Awaitable[None]]:
    async def told(message: Msg) -> None:
        take(message.data.decode(errors="replace"))

    return told
