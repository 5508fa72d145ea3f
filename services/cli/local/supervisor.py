"""Keeps named processes running, as Kubernetes would, and ends them in order.

A process that dies is started again after a growing pause. One that dies too often without a steady
time in between, or is not ready by its deadline, ends the whole run: `CannotStayUp` carries its name
and last lines. Children die with this process, even after `kill -9` (see `shim.py`).
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.cli.local.child import Child, Process
from services.cli.local.errors import CannotStayUp
from services.cli.local.logs import Output, Severity

READY_POLL_SECONDS = 0.05
LAST_LINES = 20


@dataclass(frozen=True)
class RestartPolicy:
    """When to give up on a process that keeps dying."""

    deaths_max: int = 5
    within_seconds: float = 60.0
    steady_after_seconds: float = 10.0
    """A life that was ready for this long clears the record."""

    pause_first_seconds: float = 0.25
    pause_max_seconds: float = 5.0

    def pause_seconds(self, deaths: int) -> float:
        """How long to wait before the next life, after so many deaths in a row."""
        return min(self.pause_first_seconds * 2.0 ** max(deaths - 1, 0), self.pause_max_seconds)


class Supervisor:
    """Runs processes in groups. `start` groups in order, `wait` for trouble, `stop` in reverse."""

    def __init__(
        self,
        logs: Path,
        *,
        policy: RestartPolicy | None = None,
        on_line: Callable[[str, str], None] = lambda name, line: None,
        on_change: Callable[[dict[str, int]], None] = lambda pids: None,
        verbose: bool = False,
    ) -> None:
        """`logs` is the folder for `<name>.log`.

        `on_line(name, line)` is called with the lines worth showing: warnings and worse, or all if
        verbose, and what happens to the process itself. `on_change(pids)` whenever a process id has
        changed. Both are called from the event loop and must not block for long.
        """
        self._logs = logs
        self._policy = policy or RestartPolicy()
        self._on_line = on_line
        self._on_change = on_change
        self._verbose = verbose
        self._groups: list[list[_Kept]] = []
        self._failed: asyncio.Future[None] | None = None

    @property
    def pids(self) -> dict[str, int]:
        """The process id of each one's latest life, by name, in the order they were started."""
        kept = (one for group in self._groups for one in group)
        return {one.process.name: one.pid for one in kept if one.pid is not None}

    def last_lines(self, name: str) -> tuple[str, ...]:
        """What a process printed last, oldest first."""
        found = (one for group in self._groups for one in group if one.process.name == name)
        return next((one.output.last_lines for one in found), ())

    async def start(self, *processes: Process) -> None:
        """Start these together and return when all are ready; they are kept running from then on.

        Raises CannotStayUp for any process, of this or an earlier group.
        """
        if self._failed is None:
            self._failed = asyncio.get_running_loop().create_future()
        group = [self._keep(process) for process in processes]
        self._groups.append(group)
        all_ready = asyncio.create_task(_all_ready(group))
        try:
            either: list[asyncio.Future[Any]] = [all_ready, self._failed]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self._failed.done():
                self._failed.result()
        finally:
            all_ready.cancel()

    async def wait(self) -> None:
        """Wait until a process cannot stay up, and raise CannotStayUp. Cancel it to stop waiting."""
        if self._failed is None:
            self._failed = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._failed)

    async def stop(self) -> None:
        """End every process, last started group first, each within its drain time; nothing is left."""
        for group in reversed(self._groups):
            await asyncio.gather(*(one.stop() for one in group))
        self._groups.clear()
        if self._failed is not None and not self._failed.cancel():
            # A failure that nobody waited for: the run is ending anyway.
            self._failed.exception()
        self._failed = None

    def kill(self) -> None:
        """End everything at once, for the impatient; `stop` still has to be awaited."""
        for group in self._groups:
            for one in group:
                one.kill()

    def _keep(self, process: Process) -> "_Kept":
        def say(line: str) -> None:
            self._on_line(process.name, line)

        echo_from = Severity.INFO if self._verbose else process.echo_from
        output = Output(self._logs / f"{process.name}.log", say, echo_from)
        kept = _Kept(process, output, self._policy, say, lambda: self._on_change(self.pids))
        kept.task.add_done_callback(self._kept_ended)
        return kept

    def _kept_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self._failed is None or self._failed.done():
            return
        error = task.exception()
        if error is not None:
            self._failed.set_exception(error)


class _Kept:
    """One process over all its lives."""

    def __init__(
        self,
        process: Process,
        output: Output,
        policy: RestartPolicy,
        say: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        self.process = process
        self.output = output
        self.child: Child | None = None
        self.pid: int | None = None
        self.first_ready = asyncio.Event()
        self._policy = policy
        self._say = say
        self._changed = changed
        self._stopping = False
        self._impatient = False
        self.task = asyncio.create_task(self._run(), name=f"keep {process.name}")

    async def _run(self) -> None:
        loop, policy = asyncio.get_running_loop(), self._policy
        deaths: deque[float] = deque(maxlen=policy.deaths_max)
        while True:
            ready_at, ending = await self._live()
            if self._stopping:
                return
            now = loop.time()
            if ready_at is not None and now - ready_at >= policy.steady_after_seconds:
                deaths.clear()
            deaths.append(now)
            if len(deaths) == policy.deaths_max and now - deaths[0] <= policy.within_seconds:
                raise self._cannot(f"{ending}, {len(deaths)} times in {now - deaths[0]:.0f} seconds")
            pause = policy.pause_seconds(len(deaths))
            self._say(f"{ending}; starting it again in {pause:.2f} seconds")
            await asyncio.sleep(pause)

    async def _live(self) -> tuple[float | None, str]:
        """One life: when it became ready on the loop's clock, if it did, and how it ended."""
        loop = asyncio.get_running_loop()
        if self.process.before_start is not None:
            await asyncio.to_thread(self.process.before_start)
        self.output.new_life()
        child = self.child = await Child.start(self.process, self.output)
        self.pid = child.pid
        self._changed()
        ended = asyncio.ensure_future(child.ended())
        readied = asyncio.ensure_future(self._until_ready())
        try:
            await asyncio.wait(
                {ended, readied},
                timeout=self.process.ready_within_seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not ended.done() and not readied.done() and not self._stopping:
                child.kill()
                await ended
                within = self.process.ready_within_seconds
                raise self._cannot(f"it was not ready within {within:g} seconds")
            ready_at = None
            if readied.done() and not ended.done():
                readied.result()
                ready_at = loop.time()
                self.first_ready.set()
            return ready_at, await ended
        finally:
            readied.cancel()
            if not ended.done():
                # Cancelled: whoever cancelled has stopped the child, or the loop is going down.
                child.kill()
                ended.cancel()
            self.child = None

    async def _until_ready(self) -> None:
        # What is polled is another process: there is no event to wait for.
        while not await self.process.ready():  # noqa: ASYNC110
            await asyncio.sleep(READY_POLL_SECONDS)

    def _cannot(self, reason: str) -> CannotStayUp:
        return CannotStayUp(self.process.name, reason, self.output.last_lines[-LAST_LINES:])

    async def stop(self) -> None:
        """End this life within the drain time and begin no other."""
        self._stopping = True
        child = self.child
        if child is not None and child.running:
            drain = 0.0 if self._impatient else self.process.drain_seconds
            if not await child.stop(self.process.stop_signal, drain) and not self._impatient:
                self._say(f"did not end within {drain:g} seconds and was killed")
        self.task.cancel()
        await asyncio.wait([self.task])
        self.output.close()

    def kill(self) -> None:
        """End this life at once."""
        self._stopping = self._impatient = True
        if self.child is not None:
            self.child.kill()


async def _all_ready(group: list[_Kept]) -> None:
    for one in group:
        await one.first_ready.wait()
