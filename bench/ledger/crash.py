"""`ledger.crash.*`: two replicas on one shard; both, and PostgreSQL, killed in turn under load."""

import asyncio
import contextlib
import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from scrip.ledger.v1 import events_pb2 as pb
from scrip.ledger.v1 import ledger_pb2, ledger_pb2_grpc

from bench.ledger import requests
from bench.ledger.commands import new_id
from bench.ledger.ground import Ground
from bench.ledger.processes import channel, ledgers
from bench.ledger.record import Record, examine
from bench.ledger.replicas import SHARD, on_shards
from bench.ledger.size import Size
from bench.report import line, progress
from services.runtime import clock
from tests.harness.own_postgres import OwnPostgres
from tests.harness.replicas import Replicas

CALL_SECONDS = 5.0
# A command that has no answer after so long, whoever was killed meanwhile, never gets one.
ANSWER_SECONDS = 60.0
PAUSE_SECONDS = 0.05
# Between a recovery and the next kill: a random part of it, and at least half.
CALM_SECONDS = 1.0
GRANT = 1_000_000
# Of each shared account: so little that reserves are refused.
GRANT_SHARED = 40
SHARED = 4
_AGAIN = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)


class Caller:
    """Works on an account of its own, whose balance it knows to the unit, and at times on accounts shared with others.

    Each command is said again with the same request id, to any replica, until it has an answer.
    """

    def __init__(self, stubs: Sequence[Any], token: str, own: str, shared: Sequence[str], record: Record) -> None:
        self._stubs = stubs
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._own = own
        self._shared = shared
        self._record = record

    async def work(self, is_over: Callable[[], bool]) -> None:
        """Turn after turn; the last one is finished."""
        for turn in itertools.count():
            if is_over():
                return
            account_id = self._own if turn % 4 else random.choice(self._shared)
            await self._turn(account_id, random.randint(1, 9))
            if account_id == self._own:
                await self.look(account_id)

    async def _turn(self, account_id: str, amount: int) -> None:
        """A reserve, and a capture of a part, or a release; or a refusal of the reserve."""
        reservation_id = new_id()
        reserve = requests.reserve(account_id, reservation_id, amount)
        done = await self._ask("ReserveCredits", reserve)
        kind = pb.EVENT_KIND_CREDITS_RESERVED if done else pb.EVENT_KIND_REQUEST_REFUSED
        self._record.tell(reserve.request_id, kind, account_id, reservation_id, amount)
        if not done:
            return
        total = random.randint(0, amount)
        ending: Any
        if total:
            ending = requests.capture(account_id, reservation_id, total)
            method, kind = "CaptureReservation", pb.EVENT_KIND_RESERVATION_CAPTURED
        else:
            ending = ledger_pb2.ReleaseReservationRequest(
                request_id=new_id(), account_id=account_id, reservation_id=reservation_id
            )
            method, kind = "ReleaseReservation", pb.EVENT_KIND_RESERVATION_RELEASED
        if not await self._ask(method, ending):
            raise AssertionError(f"{method} of {reservation_id} was refused")
        self._record.tell(ending.request_id, kind, account_id, reservation_id, total or amount)

    async def look(self, account_id: str) -> None:
        """Reads a balance that nobody else changes."""
        found = await self._answered("GetBalance", ledger_pb2.GetBalanceRequest(account_id=account_id))
        available, reserved = found.credits.available_micros, found.credits.reserved_micros
        if (available, reserved) != (self._record.available(account_id), 0):
            self._record.stale.append(f"{account_id}: {available} and {reserved} reserved")
        if available < 0 or reserved < 0:
            self._record.negative.append(f"{account_id}: {available} and {reserved} reserved")

    async def _ask(self, method: str, request: Any) -> bool:
        """Whether a command was done; false: credits were lacking. Now and then two replicas are asked at once."""
        times = 2 if random.random() < 0.1 else 1
        answers = await asyncio.gather(*(self._answered(method, request) for _ in range(times)))
        if len({answer is None for answer in answers}) > 1:
            raise AssertionError(f"{method} {request.request_id} was done and refused")
        return answers[0] is not None

    async def _answered(self, method: str, request: Any) -> Any:
        """The response; None: credits were lacking."""
        async with asyncio.timeout(ANSWER_SECONDS):
            while True:
                call = getattr(random.choice(self._stubs), method)
                try:
                    return await call(request, timeout=CALL_SECONDS, metadata=self._metadata)
                except grpc.aio.AioRpcError as error:
                    if _reason(error) == "INSUFFICIENT_CREDITS":
                        return None
                    if error.code() not in _AGAIN:
                        raise AssertionError(f"{method}: {error.code()} {error.details()}") from error
                    await asyncio.sleep(PAUSE_SECONDS)


def _reason(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    for detail in status.details if status else ():
        if detail.Unpack(info):
            return str(info.reason)
    return ""


async def crash(ground: Ground, size: Size) -> None:
    """What was lost, doubled, negative, stale or inconsistent through kill -9 of replicas and PostgreSQL: nothing."""
    shared, own = _accounts(size)
    record = Record(granted=dict.fromkeys(own, GRANT) | dict.fromkeys(shared, GRANT_SHARED))
    server = await asyncio.to_thread(OwnPostgres, ground.folder / "killed")
    try:
        database = server.databases.create("ledger")
        async with ledgers(ground, database, 2) as replicas, contextlib.AsyncExitStack() as stack:
            channels = [await stack.enter_async_context(channel(address)) for address in replicas.addresses]
            stubs = [ledger_pb2_grpc.LedgerServiceStub(opened) for opened in channels]
            callers = [Caller(stubs, replicas.token, account_id, shared, record) for account_id in own]
            await _open(stubs[0], replicas.token, record)
            kills = await _run(server, replicas, callers, size)
            for caller, account_id in zip(callers, own, strict=True):
                await caller.look(account_id)
        faults = await asyncio.to_thread(examine, database.owner_dsn, record)
    finally:
        await asyncio.to_thread(server.close)
    found = {
        "lost": faults.lost,
        "double": faults.double,
        "negative": faults.negative,
        "stale": record.stale,
        "inconsistent": faults.inconsistent,
    }
    line("ledger.crash.kills", kills, "kills", 0, kills)
    for name, faulty in found.items():
        for words in faulty[:10]:
            progress(f"  {name}: {words}")
        line(f"ledger.crash.{name}", len(faulty), "faults", 0, len(record.told))


def _accounts(size: Size) -> tuple[list[str], list[str]]:
    """(shared accounts, one for each caller), all of one shard."""
    found = on_shards([SHARD], SHARED + size.crash_callers)
    return found[:SHARED], found[SHARED:]


async def _open(stub: Any, token: str, record: Record) -> None:
    commands: list[requests.Command] = []
    for account_id, amount in record.granted.items():
        commands += requests.openings([account_id], amount)
    response = await stub.BatchExecute(
        ledger_pb2.BatchExecuteRequest(commands=commands),
        timeout=CALL_SECONDS,
        metadata=(("authorization", f"Bearer {token}"),),
    )
    if any(result.WhichOneof("result") == "error" for result in response.results):
        raise AssertionError(response.results)


async def _run(server: OwnPostgres, replicas: Replicas, callers: Sequence[Caller], size: Size) -> int:
    """Load and kills until the time is over and all are up again; answers how many kills."""
    over_at = clock.monotonic() + size.crash_seconds
    killed = 0

    async def kill() -> None:
        nonlocal killed
        for victim in itertools.cycle((0, 1, None)):
            await asyncio.sleep(random.uniform(CALM_SECONDS / 2, CALM_SECONDS))
            if clock.monotonic() >= over_at:
                return
            killed += 1
            if victim is None:
                await server.crash()
            else:
                replicas.kill(victim)
                await replicas.start(victim)

    progress(f"  {len(callers)} callers and kills for {size.crash_seconds:g} seconds")
    # Load goes on until the last that was killed is up again.
    killer = asyncio.create_task(kill())
    async with asyncio.TaskGroup() as group:
        for caller in callers:
            group.create_task(caller.work(killer.done))
    await killer
    return killed
