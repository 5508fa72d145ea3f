"""One life of a supervised process: its own session, its output read here, its end awaited."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from services.cli.local.logs import Output, Severity
from services.cli.local.spawn import guarded

READ_BYTES = 64 * 1024
OUTPUT_SECONDS = 1.0
KILL_SECONDS = 10.0


async def always_ready() -> bool:
    """For a process that is ready as soon as it runs."""
    return True


@dataclass(frozen=True)
class Process:
    """What to run and how to tell that it serves."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    """The whole environment, not an addition to the parent's."""

    ready: Callable[[], Awaitable[bool]] = always_ready
    """Asked until it says yes; must itself answer within seconds."""

    ready_within_seconds: float = 60.0
    drain_seconds: float = 20.0
    """How long it may take to end by itself when asked, before it is killed."""

    stop_signal: signal.Signals = signal.SIGTERM
    identity: str = "same"
    cwd: Path | None = None
    before_start: Callable[[], None] | None = None
    """Called in a thread before each life, to clear what a killed one left."""

    echo_from: Severity = field(default=Severity.WARNING)


class Child:
    """A running process. Made by `start`; ends by `stop` or by itself."""

    def __init__(self, process: asyncio.subprocess.Process, reader: asyncio.Task[None]) -> None:
        """Use `start`."""
        self._process = process
        self._reader = reader
        self._group_ended = False

    @classmethod
    async def start(cls, process: Process, output: Output) -> "Child":
        """Start it in a session of its own, so that a Ctrl-C in the terminal reaches only us.

        The pipe is made here rather than by asyncio, whose wait for a process may last until every
        grandchild that inherited the pipe has closed it.
        """
        read_end, write_end = os.pipe()
        try:
            started = await asyncio.create_subprocess_exec(
                *guarded(process.argv, process.identity),
                env=dict(process.env),
                cwd=process.cwd,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                start_new_session=True,
            )
        except BaseException:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        return cls(started, asyncio.create_task(copy_output(read_end, output)))

    @property
    def pid(self) -> int:
        """Its process id, and that of its session and process group."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.returncode is None

    async def ended(self) -> str:
        """Wait for its end and say how it ended; whoever of its group is left is killed."""
        code = await self._process.wait()
        self._kill_group()
        await asyncio.wait([self._reader], timeout=OUTPUT_SECONDS)
        self._reader.cancel()
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return f"ended with status {code}"

    async def stop(self, stop_signal: signal.Signals, drain_seconds: float) -> bool:
        """Ask it to end, then make it; False if it had to be killed."""
        if self.running:
            with suppress(ProcessLookupError):
                self._process.send_signal(stop_signal)
        drained = True
        try:
            async with asyncio.timeout(drain_seconds):
                await self._process.wait()
        except TimeoutError:
            drained = False
            self._kill_group()
        async with asyncio.timeout(KILL_SECONDS):
            await self.ended()
        return drained

    def kill(self) -> None:
        """End it and its group at once, without waiting."""
        self._kill_group()

    def _kill_group(self) -> None:
        """Once it has ended this must not be repeated: its number may then be somebody else's."""
        if self._group_ended:
            return
        self._group_ended = self._process.returncode is not None
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


async def copy_output(read_end: int, output: Output) -> None:
    """Feed what comes out of a pipe to `output`, until every writer has closed it."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=READ_BYTES)
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb", 0)
    )
    try:
        while data := await reader.read(READ_BYTES):
            output.feed(data)
    finally:
        transport.close()
        output.flush()
