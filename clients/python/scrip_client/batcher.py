"""Single commands of many tasks, sent to a replica together.

A call costs the same whatever it carries, so while one is under way the commands that arrive gather, and leave together
in the next. Nobody waits for a timer: a command that finds no call under way leaves at once, with those that were given
in the same turn of the event loop.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Iterable, Sequence
from contextvars import copy_context
from itertools import chain

import grpc
from scrip.ledger.v1 import ledger_pb2

from scrip_client import errors
from scrip_client.errors import LedgerUnavailable
from scrip_client.replica import Replica

log = logging.getLogger("scrip_client")

BATCH_COMMANDS_MAX = 1_000
BATCH_BYTES_MAX = 4 * 1024 * 1024
# Deadlines are kept to this.
SWEEP_SECONDS = 0.01


class Waiting:
    """A command and its caller. `deadline` is in loop time, `sent` counts the calls it was part of."""

    __slots__ = ("answer", "command", "context", "deadline", "sent")

    def __init__(self, command: bytes, deadline: float) -> None:
        self.command = command
        self.deadline = deadline
        self.sent = 0
        self.answer: asyncio.Future[ledger_pb2.CommandResult]
        # A call says whose trace it belongs to: that of its first command.
        self.context = copy_context()

    def tell(self, result: ledger_pb2.CommandResult) -> None:
        """Answers the caller, unless it has gone or its time was over."""
        if not self.answer.done():
            self.answer.set_result(result)


class Batcher:
    """One lane of a replica: what waits, and the call under way."""

    def __init__(self, replica: Replica, waiting_max: int) -> None:
        self._replica = replica
        self._waiting_max = waiting_max
        self._waiting: deque[Waiting] = deque()
        self._under_way: Sequence[Waiting] = ()
        self._call: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._leaving = False
        self._sweep_at = math.inf
        self._sweeper: asyncio.TimerHandle | None = None

    def ask(self, waiting: Waiting) -> asyncio.Future[ledger_pb2.CommandResult]:
        """Puts a command into the queue; a caller that cancels the future before it has left is not sent.

        Failures are results; raises LedgerUnavailable where too many wait.
        """
        if len(self._waiting) >= self._waiting_max:
            raise LedgerUnavailable(f"{self._waiting_max} commands wait for {self._replica.address} already")
        waiting.answer = self._loop.create_future()
        self._waiting.append(waiting)
        if waiting.deadline < self._sweep_at:
            self._sweep_by(waiting.deadline)
        self._leave_soon()
        return waiting.answer

    def close(self) -> None:
        """Ends the call under way; whoever waits is told that there is no answer."""
        if self._sweeper:
            self._sweeper.cancel()
        if self._call:
            self._call.cancel()
        self._tell_all((*self._under_way, *self._waiting), errors.cancelled("the client was closed"))
        self._waiting.clear()

    def _leave_soon(self) -> None:
        """At the end of this turn of the loop: an answered batch wakes many callers, and their next commands shall
        leave together, not the first of them alone."""
        if self._waiting and not self._leaving and not self._call:
            self._leaving = True
            self._loop.call_soon(self._leave)

    def _leave(self) -> None:
        self._leaving = False
        self._under_way = batch = self._take()
        if batch:
            self._call = self._loop.create_task(self._send(batch), context=batch[0].context)

    def _take(self) -> list[Waiting]:
        """The next batch, in the order of arrival; whoever has gone is left out."""
        batch: list[Waiting] = []
        size = 0
        while self._waiting and len(batch) < BATCH_COMMANDS_MAX:
            first = self._waiting[0]
            if not first.answer.done():
                size += len(first.command)
                if batch and size > BATCH_BYTES_MAX:
                    break
                batch.append(first)
            self._waiting.popleft()
        return batch

    async def _send(self, batch: Sequence[Waiting]) -> None:
        try:
            for waiting, result in zip(batch, await self._execute(batch), strict=True):
                waiting.tell(result)
        except asyncio.CancelledError:
            self._tell_all(batch, errors.cancelled("the call was cancelled"))
            raise
        finally:
            self._under_way, self._call = (), None
            self._leave_soon()

    async def _execute(self, batch: Sequence[Waiting]) -> Sequence[ledger_pb2.CommandResult]:
        for waiting in batch:
            waiting.sent += 1
        commands = [waiting.command for waiting in batch]
        try:
            results, parted = await self._replica.execute(commands, max(waiting.deadline for waiting in batch))
        except Exception as error:
            log.exception("a batch of %d commands failed", len(batch))
            return [errors.failed(grpc.StatusCode.INTERNAL, "INTERNAL", repr(error))] * len(batch)
        if parted:
            for waiting in batch:
                waiting.sent += 1
        if self._replica.is_failing:
            # What waits behind a call that found the replica gone need not find that out by itself.
            self._tell_all(self._waiting, errors.unavailable(f"{self._replica.address} does not answer"))
            self._waiting.clear()
        return results

    def _tell_all(self, callers: Iterable[Waiting], result: ledger_pb2.CommandResult) -> None:
        for waiting in callers:
            waiting.tell(result)

    def _sweep_by(self, at: float) -> None:
        if self._sweeper:
            self._sweeper.cancel()
        self._sweep_at = max(at, self._loop.time() + SWEEP_SECONDS)
        self._sweeper = self._loop.call_at(self._sweep_at, self._sweep)

    def _sweep(self) -> None:
        """Tells those whose time is over. One timer for all: a timer of each command would cost more than the rest."""
        self._sweep_at, self._sweeper = math.inf, None
        now, next_at = self._loop.time(), math.inf
        late = errors.failed(grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "no answer within the time given")
        for waiting in chain(self._under_way, self._waiting):
            if waiting.deadline <= now:
                waiting.tell(late)
            elif not waiting.answer.done():
                next_at = min(next_at, waiting.deadline)
        if next_at < math.inf:
            self._sweep_by(next_at)
