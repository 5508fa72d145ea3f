"""`scrip run` from outside: what it starts, writes, survives and leaves behind."""

import json
import os
import shlex
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from services.cli.local.ports import free_ports

from .support import lives, processes_naming, wait_until

FAKE_STACK = Path(__file__).with_name("fake_stack.py")
ROOT = Path(__file__).parents[2]
COMMON = {
    "SCRIP_DSN", "SCRIP_NATS_URL", "SCRIP_GRPC_LISTEN", "SCRIP_OPS_LISTEN", "SCRIP_SERVICE_TOKENS_FILE",
    "SCRIP_LOG_LEVEL", "SCRIP_LOG_FORMAT",
}  # fmt: skip
CALLER = COMMON | {"SCRIP_SERVICE_TOKEN", "SCRIP_LEDGER_ADDRESS", "SCRIP_CATALOG_ADDRESS"}
VARIABLES = {
    "gateway": CALLER | {"SCRIP_HTTP_LISTEN", "SCRIP_EXECUTOR_ADDRESS", "SCRIP_ANALYTICS_ADDRESS"},
    "catalog": COMMON | {"SCRIP_QUOTE_KEYS_FILE"},
    "ledger": COMMON,
    "executor": CALLER | {"SCRIP_SECRETS_DIR"},
    "analytics": CALLER | {"SCRIP_EXECUTOR_ADDRESS"},
}


class Stack:
    """A `scrip run` in a folder of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.seen = folder / "seen"
        self.seen.mkdir(exist_ok=True)
        self.data = folder / "data"
        words = [str(self.seen), "--port", "0", "--data-dir", str(self.data), *arguments]
        self.process = subprocess.Popen(
            [sys.executable, str(FAKE_STACK), *words],
            env={"PATH": os.defpath, "PYTHONPATH": str(ROOT), "SCRIP_STRAY": "1", "PGSSLMODE": "require", "KEPT": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run_file(self) -> dict[str, Any]:
        """Its run.json, waiting for it."""

        def read() -> Any:
            assert self.process.poll() is None, self.process.communicate()
            path = self.data / "run.json"
            return json.loads(path.read_text()) if path.exists() else None

        return dict(wait_until(read, 60))

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Its status, stdout and stderr after a signal."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@pytest.fixture
def stacks() -> Iterator[Any]:
    with ExitStack() as cleanup:

        def start(folder: Path, *arguments: str) -> Stack:
            made = Stack(folder, *arguments)
            cleanup.callback(made.process.communicate)
            cleanup.callback(made.process.kill)
            return made

        yield start


def test_a_run_from_start_to_end(stacks: Any, tmp_path: Path) -> None:
    """It starts everything, tells people and programs, ends with status 0 and leaves no process behind."""
    stack = stacks(tmp_path)
    run = stack.run_file()
    assert set(run) == {
        "http_url", "grpc", "ops", "nats_url", "dsn", "demo_account", "demo_key", "admin_key", "pids",
    }  # fmt: skip
    assert stat.S_IMODE((stack.data / "run.json").stat().st_mode) == 0o600
    assert set(run["pids"]) == {*VARIABLES, "postgres", "nats"}
    assert all(lives(pid) for pid in run["pids"].values())
    assert set(run["dsn"]) == {*VARIABLES, "analyst"}
    for dsn in run["dsn"].values():
        psycopg.connect(dsn, connect_timeout=5).close()
    assert httpx.get(f"{run['http_url']}/readyz", trust_env=False).status_code == 200
    status, out, err = stack.end(signal.SIGINT)
    assert (status, "Error" in err) == (0, False)
    for said in (run["http_url"], run["demo_key"], run["admin_key"]):
        assert said in out
    curl = next(shlex.split(line) for line in out.splitlines() if line.strip().startswith("curl"))
    assert json.loads(curl[curl.index("-d") + 1]) == {"input": {"text": "it's"}}
    assert not any(lives(pid) for pid in run["pids"].values())
    assert not (stack.data / "run.json").exists()


def test_each_service_is_given_exactly_its_own(stacks: Any, tmp_path: Path) -> None:
    """A child has the variables of its table, its own secrets, and nothing of ours from the shell."""
    stack = stacks(tmp_path)
    run = stack.run_file()
    for name, expected in VARIABLES.items():
        seen = json.loads((stack.seen / f"{name}.json").read_text())
        assert {variable for variable in seen if variable.startswith("SCRIP_")} == expected, name
        assert (seen["KEPT"], "PGSSLMODE" in seen) == ("1", False)
        assert seen["SCRIP_DSN"] == run["dsn"][name]
        assert seen["SCRIP_GRPC_LISTEN"] == run["grpc"][name]
        if "SCRIP_SERVICE_TOKEN" in expected:
            assert seen["SCRIP_SERVICE_TOKEN"].startswith(f"scrip_svc_{name}_")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (stack.data / "secrets").iterdir()}
    assert modes == {"service-tokens": 0o600, "quote-keys": 0o600}
    assert stat.S_IMODE((stack.data / "credentials.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["ledger", "postgres", "nats"])
def test_what_dies_comes_back(stacks: Any, tmp_path: Path, name: str) -> None:
    """A killed process is started again, run.json follows, and the rest stays up."""
    stack = stacks(tmp_path)
    before = stack.run_file()["pids"]
    os.kill(before[name], signal.SIGKILL)
    after = wait_until(lambda: (pids := stack.run_file()["pids"])[name] != before[name] and pids)
    assert {one for one in after if after[one] != before[one]} == {name}
    dsn = stack.run_file()["dsn"]["ledger"]

    def connects() -> bool:
        try:
            psycopg.connect(dsn, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    wait_until(connects)
    assert stack.end()[0] == 0


def test_keys_and_data_survive_and_the_demo_is_made_once(stacks: Any, tmp_path: Path) -> None:
    """A second run in the same folder has the same keys and passwords and grants nothing again."""
    first = stacks(tmp_path)
    kept = first.run_file()
    first.end()
    second = stacks(tmp_path)
    again = second.run_file()
    assert (again["demo_key"], again["admin_key"]) == (kept["demo_key"], kept["admin_key"])
    posted = (second.seen / "posted").read_text().splitlines()
    assert [line.split()[1].rpartition("/")[2] for line in posted] == ["accounts", "grants", "keys", "accounts"]
    assert json.loads(posted[1].split(" ", 2)[2]) == {"credits": "1000", "source": "promotion"}


def test_kill_9_leaves_no_process_and_the_next_run_starts(stacks: Any, tmp_path: Path) -> None:
    """After `kill -9` of the run everything it started is gone, and the folder can be used at once."""
    stack = stacks(tmp_path)
    pids = stack.run_file()["pids"].values()
    stack.end(signal.SIGKILL)
    wait_until(lambda: not any(lives(pid) for pid in pids))
    again = stacks(tmp_path)
    wait_until(lambda: all(lives(pid) for pid in again.run_file()["pids"].values()), 60)
    assert again.end()[0] == 0


def test_a_service_that_cannot_stay_up_ends_the_run(stacks: Any, tmp_path: Path) -> None:
    """The run ends with status 1, the service's name and its last lines, and takes everything with it."""
    (tmp_path / "seen").mkdir()
    (tmp_path / "seen" / "broken-catalog").touch()
    stack = stacks(tmp_path)
    _, err = stack.process.communicate(timeout=60)
    assert stack.process.returncode == 1
    assert "catalog cannot stay up: ended with status 1" in err
    assert "catalog is broken on purpose" in err
    assert not (stack.data / "run.json").exists()
    assert processes_naming(str(tmp_path)) == []


def test_a_second_run_in_the_same_folder_is_refused(stacks: Any, tmp_path: Path) -> None:
    """One line, status 1, and the first run is not disturbed."""
    first = stacks(tmp_path)
    first.run_file()
    second = stacks(tmp_path)
    _, err = second.process.communicate(timeout=30)
    assert (second.process.returncode, len(err.splitlines())) == (1, 1)
    assert f"already runs in {first.data} (pid {first.process.pid})" in err
    assert first.end()[0] == 0


def test_a_taken_port_is_named(stacks: Any, tmp_path: Path) -> None:
    """One line that names the port, status 1."""
    port = free_ports(1)[0]
    with socket.create_server(("127.0.0.1", port + 2)):
        stack = stacks(tmp_path, "--port", str(port))
        _, err = stack.process.communicate(timeout=30)
    assert (stack.process.returncode, len(err.splitlines())) == (1, 1)
    assert f"Port {port + 2} (gRPC of catalog) is taken" in err


def test_it_can_be_stopped_while_it_starts(stacks: Any, tmp_path: Path) -> None:
    """A signal in the middle of the start ends it with status 0 and no process left."""
    stack = stacks(tmp_path)
    wait_until((stack.seen / "ledger.json").exists, 60)
    assert stack.end()[0] == 0
    assert processes_naming(str(tmp_path)) == []


def test_json_prints_the_run_file(stacks: Any, tmp_path: Path) -> None:
    """With --json stdout is run.json's content on one line."""
    stack = stacks(tmp_path, "--json")
    run = stack.run_file()
    assert stack.process.stdout is not None
    said = json.loads(stack.process.stdout.readline())
    assert {name: said[name] for name in ("http_url", "demo_key")} == {
        name: run[name] for name in ("http_url", "demo_key")
    }
    assert stack.end()[1] == ""
