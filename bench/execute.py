"""`execute.*`: a no-op tool through the whole system, against a bare HTTP echo on the same stack."""

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import uvloop

from bench.http_client import Connection
from bench.report import line, percentile, progress
from services.cli.local.ports import free_ports
from services.runtime import clock
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

WARM_UP = 50
SEQUENTIAL = 300
CONCURRENT = 3_000
CALLERS = 32
BODY = json.dumps({"input": {"message": "x"}}).encode()


def run() -> None:
    """Measures on a `scrip run` of its own."""
    with tempfile.TemporaryDirectory(prefix="scrip-bench-") as folder:
        uvloop.run(_measure(Path(folder)))


async def _measure(folder: Path) -> None:
    port = free_ports(1)[0]
    floor = subprocess.Popen([sys.executable, "-m", "bench.echo_app", str(port)])
    stack = Stack(folder / "data")
    try:
        progress("execute: starting the system")
        await stack.start()
        told = stack.run_json
        echo, system = f"http://127.0.0.1:{port}", told["http_url"]
        await eventually(lambda: _answers(echo), 20)
        path, key = "/v1/tools/echo/execute", told["demo_key"]
        for callers, n in ((1, SEQUENTIAL), (CALLERS, CONCURRENT)):
            progress(f"execute.{callers}: {n} executes from {callers} callers, then as many bare echoes")
            await _load(system, path, key, callers, WARM_UP)
            seconds, times = await _load(system, path, key, callers, n)
            await _load(echo, "/", "", callers, WARM_UP)
            floor_seconds, floor_times = await _load(echo, "/", "", callers, n)
            line(f"execute.{callers}.p50", percentile(times, 50), "ms", percentile(floor_times, 50), n)
            line(f"execute.{callers}.p99", percentile(times, 99), "ms", percentile(floor_times, 99), n)
            line(f"execute.{callers}.rate", n / seconds, "1/s", n / floor_seconds, n)
    finally:
        floor.kill()
        floor.wait(10)
        await stack.stop()


async def _answers(url: str) -> bool:
    try:
        await (await Connection.open(url)).close()
    except OSError:
        return False
    return True


async def _load(url: str, path: str, key: str, callers: int, n: int) -> tuple[float, list[float]]:
    """(seconds for all, milliseconds of each) of `n` POSTs from so many callers."""
    times: list[float] = []
    left = iter(range(n))

    async def caller() -> None:
        connection = await Connection.open(url)
        for _ in left:
            began = clock.monotonic()
            status, answer = await connection.post(path, BODY, key)
            times.append((clock.monotonic() - began) * 1_000)
            if status != 200:
                raise AssertionError(f"{status}: {answer}")
        await connection.close()

    began = clock.monotonic()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return clock.monotonic() - began, times
