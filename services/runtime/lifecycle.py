"""How a service lives: start, serve until told to stop, drain; and tasks that must not die unseen."""

import asyncio
import contextlib
import gc
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from typing import Any

import uvloop

from services.runtime import logs
from services.runtime.settings import SettingsError

log = logs.get("lifecycle")
CANCELS_MAX = 20
CANCEL_AGAIN_SECONDS = 0.5
_stopping = threading.Event()


def stopping() -> bool:
    """Whether this process was told to stop: what would go on for ever should come to its end."""
    return _stopping.is_set()


def run(serve: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Runs a service: `serve` gets an event that is set on SIGTERM or SIGINT, and returns when it has drained."""

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def begin_to_stop() -> None:
            _stopping.set()
            stop.set()

        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, begin_to_stop)
        await serve(stop)

    # Long-lived state (accounts, ids) is not garbage; looking through it on every collection costs a fifth of the CPU.
    gc.set_threshold(100_000, 20, 50)
    try:
        uvloop.run(main())
    except SettingsError as error:
        sys.exit(str(error))


@contextlib.asynccontextmanager
async def background(*workers: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Runs workers beside the body; one that raises is begun again after a pause, and told in the log."""
    tasks = [asyncio.create_task(_keep_running(worker)) for worker in workers]
    try:
        yield
    finally:
        await _end(tasks)


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancels tasks until they have ended.

    Once may not be enough: before Python 3.12 `asyncio.wait_for`, which nats-py waits with, loses a cancellation
    that comes together with what it waits for.
    """
    pending = set(tasks)
    for _ in range(CANCELS_MAX):
        for task in pending:
            task.cancel()
        if pending:
            _, pending = await asyncio.wait(pending, timeout=CANCEL_AGAIN_SECONDS)
    if pending:
        log.error("workers_do_not_end", workers=[str(task.get_coro()) for task in pending])


async def _keep_running(worker: Callable[[], Awaitable[None]]) -> None:
    name = getattr(worker, "__qualname__", repr(worker))
    pause = 0.1
    while True:
        try:
            await worker()
            return
        except asyncio.CancelledError:
            raise
        except Exception:
            task = asyncio.current_task()
            if task and task.cancelling():
                # Cleaning up failed; begun again, it would never end.
                log.exception("worker_stopped_badly", worker=name)
                return
            log.exception("worker_failed", worker=name, again_in_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)


class Signal:
    """Wakes a worker: `poke` from anywhere on the loop, `wait` with a fallback in seconds."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def poke(self) -> None:
        """Lets the waiting worker, or the next one that waits, go on."""
        self._event.set()

    async def wait(self, fallback_seconds: float) -> bool:
        """Returns when poked, or after `fallback_seconds`; answers whether it was poked."""
        poked = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(fallback_seconds):
                poked = await self._event.wait()
        self._event.clear()
        return poked
