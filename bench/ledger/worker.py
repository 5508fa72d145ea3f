"""A ledger in a process of its own, with its load inside. Run: python -m bench.ledger.worker DSN WRITER SHARDS.

SHARDS: those it keeps folded, comma-separated. It says a line when they are, then does what each line on its standard
input asks for and answers with one; both are JSON.

    {"load": {"callers": 32, "seconds": 4, "accounts": ["a", …]}}   → {"rate": pairs a second, "pairs": …}
    {"commit": "a"}                                                 → {"ms": …}
"""

import asyncio
import contextlib
import gc
import json
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any, Self

import uvloop

from bench.ledger import engine
from bench.ledger.commands import Author, new_id
from bench.ledger.engine import Engine
from bench.ledger.size import GC_THRESHOLDS
from bench.load import rate
from services.cli.local.spawn import guarded
from services.runtime import clock, logs

# A replica looks so often for what others append.
TAIL_SECONDS = 0.1
START_SECONDS = 60.0
ANSWER_SECONDS = 60.0
LINE_BYTES_MAX = 4 * 1024 * 1024


class Worker:
    """Such a process, as the one that started it sees it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @contextlib.asynccontextmanager
    async def started(cls, dsn: str, writer: str, shards: Sequence[int]) -> AsyncIterator[Self]:
        """One that is ready; it is gone after the body."""
        argv = [sys.executable, "-m", "bench.ledger.worker", dsn, writer, ",".join(map(str, shards))]
        process = await asyncio.create_subprocess_exec(
            *guarded(argv), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LINE_BYTES_MAX
        )
        worker = cls(process)
        try:
            await worker._answer(START_SECONDS)
            yield worker
        finally:
            worker.kill()
            async with asyncio.timeout(ANSWER_SECONDS):
                await process.wait()

    def tell(self, **what: Any) -> None:
        """Asks for something, without waiting for the answer."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(what).encode() + b"\n")

    async def ask(self, **what: Any) -> dict[str, float]:
        """The answer; raises TimeoutError after a minute, AssertionError where the process ended."""
        self.tell(**what)
        return await self._answer(ANSWER_SECONDS)

    def kill(self) -> None:
        """Ends it as a crash would, if it has not ended."""
        if self._process.returncode is None:
            self._process.kill()

    async def _answer(self, seconds: float) -> dict[str, float]:
        assert self._process.stdout
        async with asyncio.timeout(seconds):
            line = await self._process.stdout.readline()
        if not line:
            raise AssertionError("the worker ended before it answered")
        answer: dict[str, float] = json.loads(line)
        return answer


async def _serve(dsn: str, writer: str, shards: Sequence[int]) -> None:
    async with engine.opened(dsn, writer, shards, TAIL_SECONDS) as ledger:
        for number in shards:
            await ledger.ledger.read_shard(number, lambda shard: shard.seq)
        _say({"ready": True})
        lines = asyncio.StreamReader(limit=LINE_BYTES_MAX)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while line := await lines.readline():
            asked = json.loads(line)
            _say(await (_load(ledger, **asked["load"]) if "load" in asked else _commit(ledger, asked["commit"])))


async def _load(ledger: Engine, callers: int, seconds: float, accounts: Sequence[str]) -> dict[str, float]:
    found, pairs = await rate(ledger.pair, callers, len(accounts), seconds, accounts.__getitem__)
    return {"rate": found, "pairs": pairs}


async def _commit(ledger: Engine, account_id: str) -> dict[str, float]:
    command = Author().reserve(account_id, new_id())
    began = clock.monotonic()
    await ledger.execute([command])
    return {"ms": (clock.monotonic() - began) * 1_000}


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    gc.set_threshold(*GC_THRESHOLDS)
    logs.configure("worker", "error", "console")
    uvloop.run(_serve(sys.argv[1], sys.argv[2], [int(number) for number in sys.argv[3].split(",")]))
