"""Tool processes: limits, crashes, and that none is left behind."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.executor.rules.answers import Answer
from services.executor.running import worker
from services.executor.running.pool import CallTimedOutError, WorkerLostError, WorkerPool
from services.executor.running.worker import ToolCall, run_tool
from tests.harness.waiting import eventually


def children(pid: int) -> set[int]:
    """Living tool processes of a process."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            is_child = int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == pid
            if is_child and b"spawn_main" in (folder / "cmdline").read_bytes():
                found.add(int(folder.name))
        except OSError:
            continue
    return found


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def echo(**given: object) -> ToolCall:
    return ToolCall("echo", json.dumps({"message": "hi", **given}).encode(), units={"": "/seconds"})


@pytest.fixture
async def pool() -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(2, 1024)
    try:
        yield pool
    finally:
        await asyncio.to_thread(pool.stop)


async def test_a_call_answers_its_output_and_its_units(pool: WorkerPool) -> None:
    """The output as JSON, the units from where the tool's manifest says."""
    answer = await pool.run(echo(delay_seconds=0.01), 20)
    assert answer.answer is Answer.OUTPUT
    assert answer.output_json == b'{"message":"hi","seconds":1}'
    assert answer.units == {"": 1}


async def test_what_a_handler_raises_is_no_stack_trace_for_callers(pool: WorkerPool) -> None:
    """Callers get a sentence, the log gets the trace."""
    answer = await pool.run(echo(outcome="failure"), 20)
    assert answer.answer is Answer.FAILED
    assert "Traceback" in answer.detail
    assert "Traceback" not in answer.message
    assert "RuntimeError" not in answer.message


async def test_a_call_that_takes_too_long_is_killed_and_the_other_goes_on(pool: WorkerPool) -> None:
    """A time limit kills one process, and a new one takes its place."""
    await asyncio.gather(pool.run(echo(), 20), pool.run(echo(), 20))
    slow = asyncio.create_task(pool.run(echo(delay_seconds=30), 0.4))
    other = asyncio.create_task(pool.run(echo(delay_seconds=1.5), 20))
    with pytest.raises(CallTimedOutError):
        await slow
    assert (await other).answer is Answer.OUTPUT
    assert (await pool.run(echo(), 20)).answer is Answer.OUTPUT
    await eventually(lambda: len(children(os.getpid())) == 2)


async def test_a_crash_ends_one_call_only(pool: WorkerPool) -> None:
    """A handler that kills its process loses its own call and no other."""
    await asyncio.gather(pool.run(echo(), 20), pool.run(echo(), 20))
    other = asyncio.create_task(pool.run(echo(delay_seconds=1.0), 20))
    with pytest.raises(WorkerLostError):
        await pool.run(echo(outcome="crash", delay_seconds=0.2), 20)
    assert (await other).answer is Answer.OUTPUT
    assert (await pool.run(echo(), 20)).answer is Answer.OUTPUT


async def test_the_death_of_idle_processes_is_survived(pool: WorkerPool) -> None:
    """Killing processes that do nothing costs nobody anything."""
    await pool.run(echo(), 20)
    for pid in children(os.getpid()):
        os.kill(pid, signal.SIGKILL)

    async def runs_again() -> bool:
        try:
            return (await pool.run(echo(), 20)).answer is Answer.OUTPUT
        except WorkerLostError:
            return False

    await eventually(runs_again, 20)
    await eventually(lambda: len(children(os.getpid())) == 2)


async def test_cancelling_a_call_ends_its_process(pool: WorkerPool) -> None:
    """Who hands a job over does not leave its call running."""
    await asyncio.gather(pool.run(echo(), 20), pool.run(echo(), 20))
    before = children(os.getpid())
    call = asyncio.create_task(pool.run(echo(delay_seconds=60), 70))
    await asyncio.sleep(0.3)  # the process has begun it by then, or is killed before: both are fine
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await eventually(lambda: any(is_gone(pid) for pid in before))


async def test_stopping_leaves_no_process() -> None:
    """After stop() nothing of the pool lives."""
    pool = WorkerPool(2, 1024)
    await pool.run(echo(), 20)
    pids = children(os.getpid())
    await asyncio.to_thread(pool.stop)
    assert len(pids) == 2
    assert all(is_gone(pid) for pid in pids)


async def test_kill_of_the_executor_takes_its_processes_along(tmp_path: Path) -> None:
    """Even kill -9 leaves no tool process behind."""
    program = (
        "import time\n"
        "from services.executor.running.pool import WorkerPool\n"
        "if __name__ == '__main__':\n"
        "    pool = WorkerPool(2, 1024)\n"
        "    print('up', flush=True)\n"
        "    time.sleep(60)\n"
    )
    path = tmp_path / "executor.py"
    path.write_text(program)
    with subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == b"up\n"
        pids = await eventually(lambda: len(children(parent.pid)) == 2 and children(parent.pid), 20)
        parent.kill()
    await eventually(lambda: all(is_gone(pid) for pid in pids), 5)


def test_memory_is_bounded() -> None:
    """A tool process has no more address space than it may."""
    program = (
        "import os\n"
        "from services.executor.running.worker import prepare\n"
        "prepare(os.getppid(), 512 * 1024 * 1024)\n"
        "try:\n    bytearray(1024 ** 3)\nexcept MemoryError:\n    print('bounded')\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "bounded\n"


class Handler:
    """A handler module of the test's own."""

    def __init__(self, output: object) -> None:
        self._output = output

    def run(self, _input: dict[str, object], _files: dict[str, bytes]) -> object:
        return self._output


@pytest.mark.parametrize(
    ("output", "pointer", "answer", "message"),
    [
        ({"seconds": 2}, "/seconds", Answer.OUTPUT, ""),
        ({"used": [{"a/b": 2.5}]}, "/used/0/a~1b", Answer.OUTPUT, ""),
        ([1], "", Answer.FAILED, "no JSON object"),
        ({"x": float("nan")}, "", Answer.FAILED, "failed"),
        ({"x": b"bytes"}, "", Answer.FAILED, "failed"),
        ({}, "/seconds", Answer.FAILED, "what it used"),
        ({"seconds": -1}, "/seconds", Answer.FAILED, "what it used"),
        ({"seconds": True}, "/seconds", Answer.FAILED, "what it used"),
        ({"x": "y" * 8_000_000}, "", Answer.TOO_LARGE, "7,340,032"),
    ],
)
def test_an_output_is_checked(
    monkeypatch: pytest.MonkeyPatch, output: object, pointer: str, answer: Answer, message: str
) -> None:
    """An output is a JSON object that can be handed out and says what was used; else the tool failed."""
    monkeypatch.setattr(worker.importlib, "import_module", lambda _name: Handler(output))
    given = run_tool(ToolCall("any", b"{}", units={"": pointer}))
    assert given.answer is answer
    assert message in given.message
