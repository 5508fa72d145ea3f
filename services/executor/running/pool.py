"""The pool of tool processes: runs a call with a time limit, and survives whatever a handler does to its process.

Pebble kills and replaces one process at a time. Should the pool itself break (a process that dies while it holds the
pool's locks), it is replaced whole, and the calls under way in it end as lost.
"""

import asyncio
import multiprocessing
import os
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from pebble import ProcessExpired, ProcessPool

from services.executor.rules.answers import ToolAnswer
from services.executor.running.worker import ToolCall, prepare, run_tool
from services.runtime import clock, logs

log = logs.get("pool")

# Beyond a call's own limit: Pebble looks every 0.1 s and gives a process 3 s to end.
GRACE_SECONDS = 5.0
# A pool that breaks again sooner is left broken until then, so that a fault that stays does not spin.
REPLACE_SECONDS = 5.0


class CallTimedOutError(Exception):
    """The call took longer than it may; its process was killed."""


class WorkerLostError(Exception):
    """The process died during the call; whether the work was done is not known."""


class WorkerPool:
    """Tool processes. Make it before gRPC starts any thread, and on a thread that outlives it.

    Processes are spawned, never forked: a fork of a process with gRPC's threads hangs.
    """

    def __init__(self, size: int, memory_mb: int) -> None:
        self.size = size
        self._memory_bytes = memory_mb * 1024 * 1024
        self._stopped = False
        self._replaced_at = -REPLACE_SECONDS
        self._begin()

    def _begin(self) -> None:
        self._pool = ProcessPool(
            max_workers=self.size,
            initializer=prepare,
            initargs=(os.getpid(), self._memory_bytes),
            context=multiprocessing.get_context("spawn"),
        )
        # Asking starts the processes.
        if not self._pool.active:
            raise RuntimeError("the tool processes do not start")
        self._broken: asyncio.Future[None] | None = None

    @property
    def is_alive(self) -> bool:
        """Whether calls can be made; a broken pool is replaced here."""
        if self._stopped:
            return False
        if self._pool.active:
            return True
        if clock.monotonic() - self._replaced_at < REPLACE_SECONDS:
            return False
        self._replace("a process was lost")
        return True

    def _replace(self, why: str) -> None:
        log.error("pool_replaced", why=why)
        self._replaced_at = clock.monotonic()
        old, broken = self._pool, self._broken
        self._begin()
        if broken and not broken.done():
            broken.set_result(None)
        asyncio.get_running_loop().run_in_executor(None, _end, old)

    async def run(self, call: ToolCall, timeout_seconds: float) -> ToolAnswer:
        """Runs a call in a free process; raises CallTimedOutError or WorkerLostError. Cancelling kills the process."""
        if not self.is_alive:
            raise WorkerLostError("the tool processes are gone")
        pool = self._pool
        if self._broken is None:
            self._broken = asyncio.get_running_loop().create_future()
        broken = self._broken
        scheduled = pool.schedule(run_tool, args=(call,), timeout=timeout_seconds)
        answer: asyncio.Future[ToolAnswer] = asyncio.wrap_future(scheduled)
        try:
            either: set[asyncio.Future[Any]] = {answer, broken}
            await asyncio.wait(either, timeout=timeout_seconds + GRACE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            if broken.done():
                raise WorkerLostError("the pool was replaced")
            if pool is self._pool:
                self._replace("a call did not end at its time limit")
            raise CallTimedOutError
        except TimeoutError as error:
            raise CallTimedOutError from error
        except (ProcessExpired, BrokenProcessPool, OSError, RuntimeError) as error:
            raise WorkerLostError(str(error)) from error
        finally:
            answer.cancel()

    def stop(self) -> None:
        """Ends all processes; calls under way are lost. Takes up to 3 s a process that does not want to end."""
        self._stopped = True
        _end(self._pool)


def _end(pool: ProcessPool) -> None:
    pool.stop()  # type: ignore[no-untyped-call]
    pool.join()
