"""Reserves of concurrent requests, sent to the ledger together.

A call costs the same whatever it carries, so while one is in flight the reserves that arrive wait, and then leave in
one BatchExecute. Nobody waits for a timer: alone, a reserve is sent at once, as itself.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import grpc
from scrip.ledger.v1 import ledger_pb2

from services.gateway.peers import Ledger
from services.runtime import clock, grpc_status, ids, logs
from services.runtime.errors import Refusal, unavailable

log = logs.get("ledger_batcher")

WAITING_MAX = 4_096
BATCH_MAX = 1_000
# Of one call, so that a ledger which hangs holds up nobody for longer.
CALL_SECONDS = 2.0
ATTEMPTS = 6
PAUSE_SECONDS = 0.025
_TRANSIENT = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED)


@dataclass(frozen=True, slots=True)
class Reserved:
    """The ledger's answer to a reserve; `doubtful`: it was sent more than once, so `replayed` may mean ourselves."""

    response: ledger_pb2.ReserveCreditsResponse
    doubtful: bool


@dataclass(slots=True)
class _Waiting:
    request: ledger_pb2.ReserveCreditsRequest
    answer: asyncio.Future[ledger_pb2.ReserveCreditsResponse] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class LedgerBatcher:
    """Sends reserves; at most 4,096 wait, more are refused at once."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._queue: deque[_Waiting] = deque()
        self._sender: asyncio.Task[None] | None = None

    async def reserve(self, request: ledger_pb2.ReserveCreditsRequest, timeout: float) -> Reserved:
        """The ledger's answer within `timeout` seconds; raises Refusal, UPSTREAM_UNAVAILABLE when there is none."""
        deadline = clock.monotonic() + timeout
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with asyncio.timeout(deadline - clock.monotonic()):
                    return Reserved(await self._queued(request), doubtful=attempt > 1)
            except TimeoutError:
                raise unavailable("ledger") from None
            except Refusal as refusal:
                pause = PAUSE_SECONDS * 2**attempt * (0.5 + ids.fraction())
                if refusal.code not in _TRANSIENT or attempt == ATTEMPTS or clock.monotonic() + pause >= deadline:
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _queued(self, request: ledger_pb2.ReserveCreditsRequest) -> ledger_pb2.ReserveCreditsResponse:
        if len(self._queue) >= WAITING_MAX:
            raise unavailable("ledger")
        waiting = _Waiting(request)
        self._queue.append(waiting)
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_all())
        return await waiting.answer

    async def _send_all(self) -> None:
        try:
            while self._queue:
                # A caller that has gone is not reserved for.
                batch = [one for one in self._take() if not one.answer.done()]
                try:
                    await self._send(batch)
                except Refusal as refusal:
                    _refuse(batch, refusal)
                except Exception:
                    log.exception("reserve_failed", n=len(batch))
                    _refuse(batch, unavailable("ledger"))
        finally:
            self._sender = None

    def _take(self) -> list[_Waiting]:
        return [self._queue.popleft() for _ in range(min(len(self._queue), BATCH_MAX))]

    async def _send(self, batch: Sequence[_Waiting]) -> None:
        call, stub = self._ledger.peer.call, self._ledger.stub
        if len(batch) == 1:
            _answer(batch[0], await call(stub.ReserveCredits, batch[0].request, CALL_SECONDS, attempts=1))
        elif batch:
            commands = [ledger_pb2.Command(reserve_credits=one.request) for one in batch]
            request = ledger_pb2.BatchExecuteRequest(commands=commands)
            response = await call(stub.BatchExecute, request, CALL_SECONDS, attempts=1)
            for one, result in zip(batch, response.results, strict=True):
                if result.HasField("error"):
                    _refuse([one], _refusal(result.error))
                else:
                    _answer(one, result.reserve_credits)


def _answer(waiting: _Waiting, response: ledger_pb2.ReserveCreditsResponse) -> None:
    if not waiting.answer.done():
        waiting.answer.set_result(response)


def _refuse(batch: Sequence[_Waiting], refusal: Refusal) -> None:
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_exception(refusal)


def _refusal(error: ledger_pb2.CommandError) -> Refusal:
    return Refusal(error.reason, error.message, dict(error.metadata), code=grpc_status.code_of(error.code))
