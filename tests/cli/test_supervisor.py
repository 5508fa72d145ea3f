"""The supervisor, with children small enough to read."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.cli.local.child import Process
from services.cli.local.errors import CannotStayUp
from services.cli.local.supervisor import RestartPolicy, Supervisor

from .support import lives, wait_until

QUICK = RestartPolicy(deaths_max=3, pause_first_seconds=0.01, pause_max_seconds=0.02)
STAYS = "import time; print('up', flush=True); time.sleep(60)"
NEVER_STEADY = "print('first line'); print('Traceback: it is broken'); raise SystemExit(3)"
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('up', flush=True)
time.sleep(60)
"""
DRAINS = """
import signal, sys, time
def drain(*_):
    asked = time.monotonic_ns()
    time.sleep(0.1)
    print('drained', asked, time.monotonic_ns(), flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, drain)
print('up', flush=True)
time.sleep(60)
"""
WITH_GRANDCHILD = """
import subprocess, time
print(subprocess.Popen(['sleep', '60']).pid, flush=True)
time.sleep(60)
"""


async def never_ready() -> bool:
    """The answer of one that does not serve."""
    return False


class Run:
    """A supervisor and what it said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[tuple[str, str]] = []
        self.pids: list[dict[str, int]] = []
        self.supervisor = Supervisor(
            folder,
            policy=QUICK,
            on_line=lambda name, line: self.lines.append((name, line)),
            on_change=self.pids.append,
        )

    def process(self, name: str, program: str, **more: object) -> Process:
        """A Python child that is ready when it has printed its first line."""
        log = self.folder / f"{name}.log"

        async def ready() -> bool:
            return log.exists() and log.stat().st_size > 0

        values = {"ready": ready, "drain_seconds": 5.0} | more
        return Process(name, [sys.executable, "-c", program], {"PATH": os.defpath}, **values)  # type: ignore[arg-type]

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[Run]:
    made = Run(tmp_path)
    yield made
    await made.supervisor.stop()


async def until(condition: object, seconds: float = 10.0) -> None:
    """Wait for a condition without holding up the supervisor, which lives in the same loop."""
    async with asyncio.timeout(seconds):
        while not condition():  # type: ignore[operator]  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_killed_process_is_started_again(run: Run) -> None:
    """A process that dies comes back under another id, and whoever follows the ids is told."""
    await run.supervisor.start(run.process("one", STAYS))
    first = run.supervisor.pids["one"]
    os.kill(first, signal.SIGKILL)
    await until(lambda: run.supervisor.pids["one"] != first)
    assert run.pids[-1] == run.supervisor.pids
    assert [pids["one"] for pids in run.pids] == [first, run.supervisor.pids["one"]]
    assert any("killed by SIGKILL; starting it again" in line for _, line in run.lines)


async def test_one_that_cannot_stay_up_ends_the_run(run: Run) -> None:
    """Too many deaths in a row raise its name, how it ended, and its last lines."""
    never = run.process("broken", NEVER_STEADY, ready=never_ready)
    with pytest.raises(CannotStayUp, match="broken cannot stay up: ended with status 3, 3 times") as caught:
        await run.supervisor.start(run.process("fine", STAYS), never)
    assert caught.value.last_lines[-2:] == ("first line", "Traceback: it is broken")
    assert run.log("broken").count("first line") == 3


async def test_trouble_after_the_start_is_raised_by_wait(run: Run) -> None:
    """A process that breaks later ends the wait of the run."""
    flag = run.folder / "broken"
    program = f"import os, time\nprint('up', flush=True)\nif os.path.exists({str(flag)!r}): raise SystemExit(7)\n"
    await run.supervisor.start(run.process("one", program + "time.sleep(60)"))
    waiting = asyncio.create_task(run.supervisor.wait())
    flag.touch()
    os.kill(run.supervisor.pids["one"], signal.SIGKILL)
    with pytest.raises(CannotStayUp, match="ended with status 7"):
        async with asyncio.timeout(10):
            await waiting


async def test_steady_lives_are_forgiven(tmp_path: Path) -> None:
    """A process that was ready long enough between its deaths is started again for ever."""
    run = Run(tmp_path)
    steady = RestartPolicy(deaths_max=2, steady_after_seconds=0.0, pause_first_seconds=0.01)
    run.supervisor = Supervisor(tmp_path, policy=steady)
    await run.supervisor.start(run.process("one", STAYS))
    for _ in range(4):
        before = run.supervisor.pids["one"]
        os.kill(before, signal.SIGKILL)
        await until(lambda before=before: run.supervisor.pids["one"] != before)
    await run.supervisor.stop()


async def test_one_that_is_never_ready_ends_the_run(run: Run) -> None:
    """The deadline of readiness ends the run and the process."""
    with pytest.raises(CannotStayUp, match=r"not ready within 0\.5 seconds"):
        await run.supervisor.start(run.process("slow", STAYS, ready=never_ready, ready_within_seconds=0.5))
    assert not lives(run.supervisor.pids["slow"])


async def test_stop_drains_in_reverse_order(run: Run) -> None:
    """Each group has ended before the one that was started before it is asked to."""
    await run.supervisor.start(run.process("first", DRAINS))
    await run.supervisor.start(run.process("second", DRAINS), run.process("third", DRAINS))
    await run.supervisor.stop()
    asked, ended = {}, {}
    for name in ("first", "second", "third"):
        asked[name], ended[name] = map(int, run.log(name).split()[-2:])
    assert asked["first"] > max(ended["second"], ended["third"])
    assert max(asked["second"], asked["third"]) < min(ended["second"], ended["third"])
    assert run.supervisor.pids == {}


async def test_one_that_does_not_drain_is_killed(run: Run) -> None:
    """After its drain time a process is killed, and that is said."""
    await run.supervisor.start(run.process("stubborn", STUBBORN, drain_seconds=0.3))
    pid = run.supervisor.pids["stubborn"]
    await run.supervisor.stop()
    assert not lives(pid)
    assert ("stubborn", "did not end within 0.3 seconds and was killed") in run.lines


async def test_kill_cuts_a_drain_short(run: Run) -> None:
    """Whoever asks twice does not wait for the drain time."""
    await run.supervisor.start(run.process("stubborn", STUBBORN, drain_seconds=60.0))
    stopping = asyncio.create_task(run.supervisor.stop())
    await asyncio.sleep(0)
    run.supervisor.kill()
    async with asyncio.timeout(5):
        await stopping


async def test_children_of_a_dead_child_are_ended(run: Run) -> None:
    """What a killed process leaves in its group goes with it."""
    await run.supervisor.start(run.process("parent", WITH_GRANDCHILD))
    grandchild = int(run.log("parent").split()[0])
    assert lives(grandchild)
    os.kill(run.supervisor.pids["parent"], signal.SIGKILL)
    await until(lambda: not lives(grandchild))


async def test_only_what_matters_is_shown(run: Run) -> None:
    """Warnings and worse reach the person, with the lines that belong to them; the log has everything."""
    program = """
import time
print('2026-01-01 [info     ] quiet')
print('2026-01-01 [error    ] loud')
print('  the rest of a traceback')
print('2026-01-01 [info     ] quiet again')
print('[123] [WRN] from nats', flush=True)
time.sleep(60)
"""
    await run.supervisor.start(run.process("one", program))
    await until(lambda: len(run.lines) == 3)
    shown = [line.rpartition("] ")[2] for _, line in run.lines]
    assert shown == ["loud", "  the rest of a traceback", "from nats"]
    assert "quiet again" in run.log("one")


def test_kill_9_of_the_supervisor_leaves_no_child(tmp_path: Path) -> None:
    """The kernel ends the children of a supervisor that is killed."""
    program = f"""
import asyncio, sys
from pathlib import Path
from services.cli.local.child import Process
from services.cli.local.supervisor import Supervisor

async def main():
    supervisor = Supervisor(Path({str(tmp_path)!r}))
    child = [sys.executable, "-c", {STUBBORN!r}]
    await supervisor.start(*(Process(f"child-{{n}}", child, {{}}) for n in range(3)))
    print(*supervisor.pids.values(), flush=True)
    await supervisor.wait()

asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 3
        assert all(lives(pid) for pid in pids)
        parent.kill()
    wait_until(lambda: not any(lives(pid) for pid in pids))
