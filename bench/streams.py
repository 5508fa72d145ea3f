"""`stream.*`: the first words of a streamed answer through the whole system, against the provider's own first words."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import uvloop

from bench.report import line, percentile, progress
from services.runtime import clock
from tests.executor.providers.double import provider
from tests.executor.talker import KEY, TOOL, Talker, providers_at
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

WARM_UP = 10
SEQUENTIAL = 100
WORDS = [f"word{number} " for number in range(20)]
GIVEN = {"message": "What is a semaphore? One sentence.", "max_tokens": 100}
ASKED = {"stream": True, "stream_options": {"include_usage": True}}


def run() -> None:
    """Measures on a `scrip run` of its own; the provider is in this process."""
    with tempfile.TemporaryDirectory(prefix="scrip-bench-") as folder:
        uvloop.run(_measure(Path(folder)))


async def _measure(folder: Path) -> None:
    with provider(lambda asked: Talker(WORDS).answer(asked)) as double:
        stack = Stack(folder / "data", providers_at(double.url))
        try:
            progress("stream: starting the system")
            await stack.start()
            system = stack.demo()

            async def is_available() -> bool:
                return bool((await system.get(f"/v1/tools/{TOOL}")).json()["available"])

            await eventually(is_available, 20)
            floor = httpx.AsyncClient(base_url=double.url, headers={"authorization": f"Bearer {KEY}"}, trust_env=False)
            progress(f"stream.first: {SEQUENTIAL} streams through the system, then as many of the provider's own")
            path, headers = f"/v1/tools/{TOOL}/execute", {"accept": "text/event-stream"}
            times = await _first_words(system, path, {"input": GIVEN}, headers)
            floor_times = await _first_words(floor, "/v1/chat/completions", ASKED, {})
            await floor.aclose()
            line("stream.first.p50", percentile(times, 50), "ms", percentile(floor_times, 50), SEQUENTIAL)
            line("stream.first.p99", percentile(times, 99), "ms", percentile(floor_times, 99), SEQUENTIAL)
        finally:
            await stack.close_clients()
            await stack.stop()


async def _first_words(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], headers: Mapping[str, str]
) -> list[float]:
    """Milliseconds from asking to the first words, of each stream; all of it is read."""
    times: list[float] = []
    content = json.dumps(body)
    for _ in range(WARM_UP + SEQUENTIAL):
        began, first = clock.monotonic(), 0.0
        async with client.stream(
            "POST", path, content=content, headers={"content-type": "application/json", **headers}
        ) as response:
            if response.status_code != httpx.codes.OK:
                raise AssertionError(f"{response.status_code}: {(await response.aread()).decode()}")
            async for piece in response.aiter_bytes():
                if not first and b"word" in piece:
                    first = clock.monotonic() - began
        times.append(first * 1_000)
    return times[WARM_UP:]
