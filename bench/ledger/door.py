"""`ledger.grpc.*`, `ledger.unary.*`, `ledger.reads.*`: a real ledger process through gRPC."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from scrip.ledger.v1 import ledger_pb2, ledger_pb2_grpc

from bench.ledger import engine, requests
from bench.ledger.commands import new_id
from bench.ledger.ground import Ground
from bench.ledger.processes import channel, echo, ledgers
from bench.ledger.rates import FLOOR_CLIENTS
from bench.ledger.size import Size
from bench.load import account_name, rate
from bench.report import line, percentile, progress
from scrip_client import LedgerClient
from services.runtime import clock
from tests.harness.replicas import Replicas

CALL_SECONDS = 30.0
# Calls of large batches that are under way at once.
IN_FLIGHT = 2
# Calls that may be late at once, where a rate is kept whatever the answers do.
LATE_MAX = 2_000


class Caller:
    """Plain calls over one channel, one command each."""

    def __init__(self, stub: Any, token: str) -> None:
        self._stub = stub
        self._metadata = (("authorization", f"Bearer {token}"),)

    async def pair(self, account_id: str) -> None:
        """One reserve and its capture."""
        reservation_id = new_id()
        await self.reserve(account_id, reservation_id)
        await self._call(self._stub.CaptureReservation, requests.capture(account_id, reservation_id))

    async def reserve(self, account_id: str, reservation_id: str) -> None:
        """One reserve."""
        await self._call(self._stub.ReserveCredits, requests.reserve(account_id, reservation_id))

    async def read(self, account_id: str) -> None:
        """The balance at the log's head."""
        await self._call(self._stub.GetBalance, ledger_pb2.GetBalanceRequest(account_id=account_id))

    async def read_stale(self, account_id: str) -> None:
        """The balance in memory."""
        await self._call(self._stub.GetBalance, ledger_pb2.GetBalanceRequest(account_id=account_id, stale_ok=True))

    async def batch(self, commands: list[requests.Command]) -> None:
        """Many commands in one call; raises AssertionError where one is refused."""
        response = await self._call(self._stub.BatchExecute, ledger_pb2.BatchExecuteRequest(commands=commands))
        if len(response.results) != len(commands):
            raise AssertionError(f"{len(response.results)} results for {len(commands)} commands")
        for result in response.results:
            if result.WhichOneof("result") == "error":
                raise AssertionError(result.error)

    async def _call(self, method: Callable[..., Awaitable[Any]], request: Any) -> Any:
        return await method(request, timeout=CALL_SECONDS, metadata=self._metadata)


async def bulk(ground: Ground, size: Size) -> None:
    """Commands a second in large calls, two under way, against pgbench transactions at 32 clients."""
    progress("  pgbench -N at 32 clients, then the ledger")
    floor = (await ground.transactions(FLOOR_CLIENTS, size)).rate
    async with _ledger(ground, size) as (_, caller):
        turns = itertools.count()

        def some() -> list[requests.Command]:
            numbers = (next(turns) * engine.STRIDE % size.accounts for _ in range(size.bulk_commands // 2))
            return requests.pairs(map(account_name, numbers))

        calls = iter([some() for _ in range(size.bulk_calls)])

        async def one_after_the_other() -> None:
            for commands in calls:
                await caller.batch(commands)

        await caller.batch(some())
        began = clock.monotonic()
        await asyncio.gather(*(one_after_the_other() for _ in range(IN_FLIGHT)))
        seconds = clock.monotonic() - began
    n = size.bulk_calls * size.bulk_commands
    line(f"ledger.grpc.bulk.{size.bulk_commands}x{IN_FLIGHT}", n / seconds, "commands/s", floor, n)


async def singles(ground: Ground, size: Size) -> None:
    """Single commands and reads: unary calls against a bare echo, and the client's batcher against unary calls."""
    callers = size.callers[-1]
    async with _ledger(ground, size) as (replicas, caller), _echo() as bare:
        progress(f"  {callers} tasks: reserves and captures, the echo and the ledger")
        floor, _ = await _rate(bare.pair, callers, size)
        unary, n = await _rate(caller.pair, callers, size)
        line(f"ledger.grpc.unary.{callers}", 2 * unary, "commands/s", 2 * floor, 2 * n)
        # So many pairs are twice as many commands, and half of those.
        await _latency(bare, caller, unary, size)
        await _reads(bare, caller, size)
        # The last: what follows it would share the process with the projection of all that it wrote.
        progress(f"  {callers} tasks: the client's batcher")
        async with LedgerClient(replicas.addresses, replicas.token) as client:

            async def pair(account_id: str) -> None:
                reservation_id = new_id()
                await client.reserve(requests.reserve(account_id, reservation_id))
                await client.capture(requests.capture(account_id, reservation_id))

            batched, n = await _rate(pair, callers, size)
        line(f"ledger.grpc.batcher.{callers}", 2 * batched, "commands/s", 2 * unary, 2 * n)


async def _latency(bare: Caller, caller: Caller, a_second: float, size: Size) -> None:
    """Milliseconds of a unary reserve at half of what unary calls can do, against a bare echo at the same rate."""
    progress(f"  {a_second:.0f} reserves a second, half of what calls can do: the echo and the ledger")
    floor = await _paced(bare.reserve, a_second, size)
    times = await _paced(caller.reserve, a_second, size)
    for name, percent in (("p50", 50), ("p99", 99), ("p999", 99.9)):
        line(f"ledger.unary.reserve.{name}", percentile(times, percent), "ms", percentile(floor, percent), len(times))


async def _reads(bare: Caller, caller: Caller, size: Size) -> None:
    """GetBalance calls a second of many tasks, at the log's head and from memory, against a bare echo."""
    callers = size.callers[-1]
    progress(f"  {callers} tasks: reads, the echo and the ledger")
    floor, _ = await _rate(bare.read, callers, size)
    for name, read in (("current", caller.read), ("stale", caller.read_stale)):
        value, n = await _rate(read, callers, size)
        line(f"ledger.reads.{name}", value, "calls/s", floor, n)


@contextlib.asynccontextmanager
async def _ledger(ground: Ground, size: Size) -> AsyncIterator[tuple[Replicas, Caller]]:
    """One ledger process with rich accounts, and a caller of it."""
    with ground.database() as database:
        async with engine.opened(database.dsn) as ledger:
            await ledger.fill(engine.names(size.accounts))
        async with ledgers(ground, database) as replicas, channel(replicas.addresses[0]) as opened:
            yield replicas, Caller(ledger_pb2_grpc.LedgerServiceStub(opened), replicas.token)


@contextlib.asynccontextmanager
async def _echo() -> AsyncIterator[Caller]:
    async with echo() as address, channel(address) as opened:
        yield Caller(ledger_pb2_grpc.LedgerServiceStub(opened), "none")


async def _rate(do: Callable[[str], Awaitable[None]], callers: int, size: Size) -> tuple[float, int]:
    await rate(do, callers, size.accounts, size.warm_up_seconds)
    return await rate(do, callers, size.accounts, size.seconds)


async def _paced(reserve: Callable[[str, str], Awaitable[None]], a_second: float, size: Size) -> list[float]:
    """Milliseconds of each reserve, begun at even intervals whatever the answers do.

    Counted from when it was to begin: a stall is seen by all that would have come in it.
    """
    loop = asyncio.get_running_loop()
    times: list[float] = []
    late: set[asyncio.Task[None]] = set()

    async def one(number: int, due: float) -> None:
        await reserve(account_name(number * engine.STRIDE % size.accounts), new_id())
        times.append((loop.time() - due) * 1_000)

    began = loop.time()
    async with asyncio.timeout(size.seconds + CALL_SECONDS), asyncio.TaskGroup() as group:
        for number in range(int(size.seconds * a_second)):
            due = began + number / a_second
            if (left := due - loop.time()) > 0:
                await asyncio.sleep(left)
            task = group.create_task(one(number, due))
            late.add(task)
            task.add_done_callback(late.discard)
            if len(late) > LATE_MAX:
                raise AssertionError(f"{LATE_MAX} calls are under way: this is more than half of what can be done")
    return times
