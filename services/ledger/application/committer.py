"""The commit loop of one shard: while one commit is in flight the next batch gathers; then it is decided and appended.

There is no timer and no batch size to tune: a batch is what arrived during one fsync. Nothing is answered before the
commit it depends on; answers that depend on no new event wait for the log's head to be confirmed instead.

Whatever is in doubt (connection lost, timeout, another process was first) is settled by the log alone: memory is
dropped and folded again, and the same batch decided again. What did land is found by its request id and answered as a
replay.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import psycopg
from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.application.shard import Answer, BrokenChainError, Recorded, Refused, Result, Shard, insufficient
from services.ledger.domain.account import Account, Grant
from services.ledger.domain.commands import Command
from services.ledger.domain.errors import CommandRefusedError
from services.ledger.domain.events import AccountOpened, CreditsGranted, RequestRefused
from services.ledger.store import codec
from services.ledger.store.log import ShardLog
from services.runtime import clock, logs
from services.runtime.errors import Refusal, unavailable
from services.runtime.lifecycle import Signal

log = logs.get("committer")
T = TypeVar("T")

FOLD_COMMITS = 256
QUEUE_COMMANDS_MAX = 20_000
# What wakes a quiet shard although nothing is due.
IDLE_SECONDS = 60.0
RETRY_SECONDS = 0.1
RETRY_SECONDS_MAX = 2.0
_DOUBT = (psycopg.Error, OSError, TimeoutError)


class _Work:
    """Commands of one caller, answered together; without any it waits for the confirmed head."""

    __slots__ = ("commands", "decided", "done", "look", "results")

    def __init__(
        self, commands: Sequence[Command], done: asyncio.Future[Any], look: Callable[[Shard], object] | None = None
    ) -> None:
        self.commands = commands
        self.look = look
        # Results that are durable, and those of the batch in hand, which may yet be dropped and decided again.
        self.results: list[Result] = []
        self.decided: list[Result] = []
        self.done = done


class Committer:
    """One shard: its memory, its log and its loop. `appended` is poked after every commit."""

    def __init__(self, dsn: str, number: int, writer: str, appended: Signal) -> None:
        self._log = ShardLog(dsn, number)
        self._writer = writer
        self._appended = appended
        self._shard = Shard(number)
        self._queue: deque[_Work] = deque()
        self._queued = 0
        self._arrived = Signal()

    @property
    def shard(self) -> Shard:
        """Memory; between batches it is what the log says up to its `seq`."""
        return self._shard

    async def execute(self, commands: Sequence[Command]) -> list[Result]:
        """One result per command, in order, each durable."""
        work = _Work(commands, asyncio.get_running_loop().create_future())
        results: list[Result] = await self._enqueue(work)
        return results

    async def read(self, look: Callable[[Shard], T]) -> T:
        """What `look` finds in memory at the confirmed head of the log.

        It looks from within the loop: once that goes on, memory holds what is decided and not yet durable.
        """
        work = _Work((), asyncio.get_running_loop().create_future(), look)
        found: T = await self._enqueue(work)
        return found

    async def _enqueue(self, work: _Work) -> Any:
        commands = work.commands
        if self._queued + len(commands) > QUEUE_COMMANDS_MAX:
            raise Refusal(
                "RATE_LIMITED",
                f"{self._queued} commands wait on this shard, at most {QUEUE_COMMANDS_MAX} may; try again shortly",
                {"queued": self._queued, "limit": QUEUE_COMMANDS_MAX, "retry_after_seconds": 1},
            )
        self._queue.append(work)
        self._queued += len(commands)
        self._arrived.poke()
        return await work.done

    async def run(self) -> None:
        """Commits for ever. An outage is waited out; a log that does not fit is not served until it does."""
        pause = RETRY_SECONDS
        while True:
            try:
                if not self._queue and not self._is_due():
                    await self._arrived.wait(self._seconds_to_deadline())
                await self._commit_once()
                pause = RETRY_SECONDS
            except asyncio.CancelledError:
                self._refuse_waiting(unavailable("ledger"))
                await self._log.close()
                raise
            except _DOUBT as error:
                log.warning("log_in_doubt", shard=self._shard.number, error=type(error).__name__)
                await self._start_over(pause)
                pause = min(pause * 2, RETRY_SECONDS_MAX)
            except (BrokenChainError, codec.UnknownEventError) as error:
                log.error("shard_stopped", shard=self._shard.number, error=str(error))
                self._refuse_waiting(unavailable("ledger"))
                await self._start_over(RETRY_SECONDS_MAX)
            except Exception:
                # A defect: whoever waits gets an answer, and memory is what the log says again.
                log.exception("commit_failed", shard=self._shard.number)
                self._refuse_waiting(Refusal("INTERNAL", "the ledger failed on this shard"))
                await self._start_over(pause)

    async def _commit_once(self) -> None:
        """Decides what waits and makes it durable, then answers."""
        taken = self._decide()
        if self._shard.has_events:
            commit = self._shard.close(self._writer)
            async with asyncio.timeout(10):
                if not await self._log.append(commit, self._shard.seq, self._shard.hash):
                    await self._explain_and_fold()
                    return
            self._shard.committed(commit)
            self._appended.poke()
        elif taken and not await self._is_at_head():
            await self._fold()
            return
        await self._answer(taken)

    def _decide(self) -> list[_Work]:
        """Decides what waits, in order, until the batch is full; answers whom that touched.

        A caller's commands may spread over several batches; a caller who is gone is passed over.
        """
        self._shard.begin(clock.now_us())
        taken: list[_Work] = []
        for work in self._queue:
            taken.append(work)
            work.decided = []
            if work.done.done():
                continue
            for place in range(len(work.results), len(work.commands)):
                result = None if self._shard.is_full else self._shard.execute(work.commands[place])
                if result is None:
                    return taken
                work.decided.append(result)
        return taken

    async def _answer(self, taken: list[_Work]) -> None:
        """What was decided is durable: answers those whose commands are all done."""
        for work in taken:
            for result in work.decided:
                work.results.append(await self._read_back(result) if isinstance(result, Recorded) else result)
            work.decided = []
            if work.done.done() or len(work.results) == len(work.commands):
                self._queue.popleft()
                self._queued -= len(work.commands)
                if not work.done.done():
                    _fulfil(work, self._shard)

    async def _read_back(self, recorded: Recorded) -> Result:
        batch = pb.EventBatch.FromString(await self._log.body(recorded.seq))
        event = codec.decode(batch.events[recorded.index])
        position = batch.first_position + recorded.index
        at = batch.recorded_at.ToMicroseconds()
        match event:
            case RequestRefused():
                return Refused(insufficient(event))
            case AccountOpened():
                return Answer(Account(event.account_id, at), True, position)
            case CreditsGranted():
                return Answer(_as_granted(event, at), True, position)
            case _:
                raise BrokenChainError(f"commit {recorded.seq} does not hold the answer its request id points to")

    async def _is_at_head(self) -> bool:
        seq, digest = await self._log.head()
        if (seq == self._shard.seq and digest != self._shard.hash) or seq < self._shard.seq:
            raise BrokenChainError(f"LOG_REGRESSED: folded {self._shard.seq}, the log ends with {seq}")
        return seq == self._shard.seq

    async def _explain_and_fold(self) -> None:
        """After an append that made no row: another process was first, the log regressed, or our clock is ahead."""
        if await self._log.hash_at(self._shard.seq) != self._shard.hash:
            raise BrokenChainError(f"LOG_REGRESSED: the log has no commit {self._shard.seq} as it was folded")
        if await self._log.hash_at(self._shard.seq + 1) is None:
            raise BrokenChainError("CLOCK_AHEAD: this clock is over a second ahead of the database's")
        log.info("race_lost", shard=self._shard.number, seq=self._shard.seq + 1)
        self._shard = Shard(self._shard.number)
        await self._fold()

    async def _fold(self) -> None:
        """Brings memory up to the head of the log. Decided events must not be in memory."""
        if self._shard.has_events:
            self._shard = Shard(self._shard.number)
        while commits := await self._log.read(self._shard.seq, FOLD_COMMITS):
            for commit in commits:
                self._shard.fold(commit)
            await asyncio.sleep(0)

    async def _start_over(self, pause: float) -> None:
        """Drops memory and connection and folds anew, trying until the database answers."""
        while True:
            self._shard = Shard(self._shard.number)
            await self._log.close()
            await asyncio.sleep(pause)
            try:
                await self._fold()
                return
            except _DOUBT as error:
                log.warning("database_down", shard=self._shard.number, error=type(error).__name__)
                pause = min(pause * 2, RETRY_SECONDS_MAX)
            except (BrokenChainError, codec.UnknownEventError) as error:
                log.error("shard_stopped", shard=self._shard.number, error=str(error))
                self._refuse_waiting(unavailable("ledger"))
                pause = RETRY_SECONDS_MAX

    def _refuse_waiting(self, refusal: Refusal) -> None:
        for work in self._queue:
            if not work.done.done():
                work.done.set_exception(refusal)
        self._queue.clear()
        self._queued = 0

    def _is_due(self) -> bool:
        deadline = self._shard.next_deadline
        return deadline is not None and deadline <= clock.now_us()

    def _seconds_to_deadline(self) -> float:
        deadline = self._shard.next_deadline
        if deadline is None:
            return IDLE_SECONDS
        return min(max((deadline - clock.now_us()) / clock.MICROS_PER_SECOND, 0.001), IDLE_SECONDS)


def _fulfil(work: _Work, shard: Shard) -> None:
    """Answers a work; what a look refuses goes to the one who asked."""
    if work.look is None:
        work.done.set_result(work.results)
        return
    try:
        work.done.set_result(work.look(shard))
    except CommandRefusedError as error:
        work.done.set_exception(error)


def _as_granted(event: CreditsGranted, at: int) -> Grant:
    """The grant as it was made."""
    return Grant(
        number=event.grant_number,
        grant_id=event.grant_id,
        amount=event.amount,
        available=event.amount,
        reserved=0,
        source=event.source,
        priority=event.priority,
        effective_at=event.effective_at,
        expires_at=event.expires_at,
        created_at=at,
        paid_amount=event.paid_amount,
        paid_currency=event.paid_currency,
        reference=event.cause.reference,
    )
