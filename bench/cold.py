"""`cold.*`: seconds from a fresh clone, and from an installed one, to the first executed tool."""

import json
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import httpx

from bench.report import line, progress
from services.cli.local import postgres
from services.runtime import clock

ROOT = Path(__file__).resolve().parent.parent
DEADLINE_SECONDS = 600


def run() -> None:
    """Measures both, one after the other, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="scrip-bench-") as name:
        folder = Path(name)
        progress("cold: PostgreSQL alone, from initdb to ready, as the floor")
        began = clock.monotonic()
        with postgres.Server.throwaway(folder / "floor"):
            floor = clock.monotonic() - began
        clone = folder / "clone"
        progress("cold.clone: git clone, make run with downloads, first execute")
        began = clock.monotonic()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True, timeout=60)
        line("cold.clone", _first_execute(clone, folder / "data-1") - began, "s", floor, 1)
        progress("cold.installed: make run in the same clone with an empty data folder, first execute")
        began = clock.monotonic()
        line("cold.installed", _first_execute(clone, folder / "data-2") - began, "s", floor, 1)


def _first_execute(clone: Path, data: Path) -> float:
    """When a tool had given its output, on the monotonic clock."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SCRIP_")}  # noqa: TID251
    environment = inherited | {"UV_NO_CACHE": "1", "PIP_NO_CACHE_DIR": "1"}
    process = subprocess.Popen(
        ["make", "--silent", "run", f"ARGS=--port 0 --data-dir {data}"],
        cwd=clone,
        env=environment,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        told = _wait_for(data / "run.json", process)
        answer = httpx.post(
            f"{told['http_url']}/v1/tools/detect-language/execute",
            headers={"authorization": f"Bearer {told['demo_key']}"},
            json={"input": {"text": "Where words fail, music speaks."}},
            timeout=60,
            trust_env=False,
        )
        answer.raise_for_status()
        return clock.monotonic()
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)


def _wait_for(path: Path, process: subprocess.Popen[bytes]) -> dict[str, str]:
    deadline = clock.monotonic() + DEADLINE_SECONDS
    while not path.exists():
        if process.poll() is not None or clock.monotonic() > deadline:
            raise AssertionError("make run did not come up")
        time.sleep(0.02)
    told: dict[str, str] = json.loads(path.read_text())
    return told
