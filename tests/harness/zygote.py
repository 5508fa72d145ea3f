"""Starts services in milliseconds: a process that has imported all of them, and forks for each one that is started.

Importing a service takes a second and a half of a processor, and the tests start hundreds. What is forked has its own
environment, session, log and `__main__`, as `python -m` would give it, and dies with the zygote, which dies with the
tests. Only where there is a parent-death signal.

    python -m tests.harness.zygote      # reads and answers JSON, a line each
"""

import contextlib
import ctypes
import importlib
import json
import os
import random
import runpy
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from services.cli.local.spawn import guarded

SERVICES = ("ledger", "catalog", "executor", "gateway", "analytics")
PR_SET_PDEATHSIG = 1
FORK_SECONDS = 60
IS_POSSIBLE = sys.platform == "linux"


class Copy:
    """A process that was forked; as much of subprocess.Popen as the tests use."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = threading.Event()

    def poll(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The same when it has ended; raises subprocess.TimeoutExpired."""
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return self.returncode or 0

    def send_signal(self, number: int) -> None:
        """Sends it a signal, while it runs."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def end(self, returncode: int) -> None:
        """It has ended."""
        self.returncode = returncode
        self._ended.set()


class Zygote:
    """The tests' side of it; started from a thread that lives as long as the tests."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            guarded([sys.executable, "-m", "tests.harness.zygote"]), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._copies: dict[int, Copy] = {}
        self._answered = threading.Event()
        self._last = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def start(self, module: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Copy:
        """Runs a module as `python -m` does, its output appended to a log."""
        self._answered.clear()
        told = {"module": module, "arguments": list(arguments), "environment": dict(environment), "log": str(log)}
        assert self._process.stdin
        self._process.stdin.write(json.dumps(told).encode() + b"\n")
        self._process.stdin.flush()
        if not self._answered.wait(FORK_SECONDS):
            raise AssertionError(f"the zygote did not start {module}")
        return self._copies[self._last]

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            told = json.loads(line)
            if "ended" in told:
                self._copies.pop(told["ended"]).end(told["returncode"])
            else:
                self._last = told["started"]
                self._copies[self._last] = Copy(self._last)
                self._answered.set()


def main() -> None:
    """Forks as it is told, and tells who has ended, until its input ends."""
    for name in SERVICES:
        importlib.import_module(f"services.{name}.main")
    wakes, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    begun = b""
    while True:
        ready, _, _ = select.select([0, wakes], [], [])
        if wakes in ready:
            os.read(wakes, 4096)
        if 0 in ready:
            read = os.read(0, 1 << 20)
            if not read:
                return
            *lines, begun = (begun + read).split(b"\n")
            for line in lines:
                _fork(json.loads(line), (wakes, wake))
        _tell_ended()


def _fork(told: dict[str, Any], own: Sequence[int]) -> None:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        _say(started=pid)
        return
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor in own:
            os.close(descriptor)
        _become(told, parent)
        runpy.run_module(told["module"], run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1 if end.code else 0
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
    except BaseException:  # noqa: BLE001 (what python does with an error that nobody takes)
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _become(told: dict[str, Any], parent: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    os.setsid()
    log = os.open(told["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, stands_for in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, stands_for)
    os.close(nothing)
    os.close(log)
    os.environ.clear()  # noqa: TID251 (it is given an environment of its own)
    os.environ.update(told["environment"])  # noqa: TID251
    sys.argv = [told["module"], *told["arguments"]]
    random.seed()


def _tell_ended() -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            _say(ended=pid, returncode=os.waitstatus_to_exitcode(status))


def _say(**told: int) -> None:
    os.write(1, json.dumps(told).encode() + b"\n")


if __name__ == "__main__":
    main()
