"""Workers do not die unseen, and end when they are told to."""

import asyncio

import pytest

from services.cli.local.nats import Server
from services.runtime import lifecycle
from services.runtime.broker import Broker
from services.runtime.lifecycle import Signal
from tests.harness.waiting import eventually


async def test_a_worker_that_fails_is_begun_again() -> None:
    """An exception is told and waited out; the worker goes on."""
    begun = 0

    async def worker() -> None:
        nonlocal begun
        begun += 1
        if begun < 3:
            raise ValueError
        await asyncio.Event().wait()

    async with lifecycle.background(worker):
        await eventually(lambda: begun == 3)


async def test_a_worker_whose_cleanup_fails_still_ends() -> None:
    """Told to end, a worker is not begun again, whatever goes wrong while it cleans up."""
    begun = 0

    async def worker() -> None:
        nonlocal begun
        begun += 1
        try:
            await asyncio.Event().wait()
        finally:
            raise RuntimeError

    async with asyncio.timeout(5):
        async with lifecycle.background(worker):
            await eventually(lambda: begun == 1)
    assert begun == 1


async def test_a_worker_that_is_done_is_done() -> None:
    """Returning is not failing."""
    begun = 0

    async def worker() -> None:
        nonlocal begun
        begun += 1

    async with lifecycle.background(worker):
        await eventually(lambda: begun == 1)
        for _ in range(10):
            await asyncio.sleep(0)
    assert begun == 1


async def test_a_signal_wakes_now_or_later() -> None:
    """A poke before the wait counts, once; without one the wait ends by itself; the answer tells which."""
    signal = Signal()
    signal.poke()
    signal.poke()
    async with asyncio.timeout(5):
        assert await signal.wait(60)
        assert not await signal.wait(0.01)
        asyncio.get_running_loop().call_later(0.02, signal.poke)
        assert await signal.wait(60)


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_a_broker_comes_and_goes_with_its_server(nats_server: Server, how: str) -> None:
    """Without a server there is no connection and no error; with one there is, again and again; closing works."""
    getattr(nats_server, how)()
    broker = Broker(nats_server.broker.url, "test")
    async with lifecycle.background(broker.keep_connected):
        await broker.wake("nobody.listens")
        assert broker.jetstream() is None
        for _ in range(2):
            nats_server.start()
            await eventually(lambda: broker.client is not None)
            await broker.wake("nobody.listens")
            getattr(nats_server, how)()
            await eventually(lambda: broker.client is None)
        await broker.wake("nobody.listens")
        async with asyncio.timeout(8):
            await broker.close()
