"""The commit loop of some shards: while one commit is in flight the next gathers; then it is decided and appended.

There is no timer and no batch size to tune: a commit is what arrived during one fsync. Nothing is answered before the
commit it depends on; answers that depend on no new event wait for the log's head to be confirmed instead.

Whatever is in doubt (connection lost, timeout, another process was first) is settled by the log alone: memory is
dropped and folded again, and what waited is decided again. What did land is found by its request id and answered as a
replay.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

import psycopg

from services.ledger.application import recorded
from services.ledger.application.shard import BrokenChainError, Recorded, Result, Shard
from services.ledger.application.work import Queue, Work
from services.ledger.domain.commands import Command
from services.ledger.store.codec import UnknownEventError
from services.ledger.store.log import Commit, LogStore
from services.runtime import clock, logs
from services.runtime.errors import Refusal, unavailable
from services.runtime.lifecycle import Signal

log = logs.get("committer")
T = TypeVar("T")

FOLD_COMMITS = 256
# What wakes a quiet loop although nothing is due.
IDLE_SECONDS = 60.0
RETRY_SECONDS = 0.05
RETRY_SECONDS_MAX = 2.0
_DOUBT = (psycopg.Error, OSError, TimeoutError)
_MISFIT = (BrokenChainError, UnknownEventError)


class Committer:
    """Some shards of one process: their memory, their log and one loop. `appended` is poked after every commit."""

    def __init__(self, dsn: str, numbers: Sequence[int], writer: str, appended: Signal) -> None:
        self._log = LogStore(dsn)
        self._writer = writer
        self._appended = appended
        self._shards = {number: Shard(number) for number in numbers}
        # Shards whose memory must be folded before it may be decided on: all at first.
        self._stale = set(numbers)
        self._queues = {number: Queue(number) for number in numbers}
        self._arrived = Signal()

    async def execute(self, number: int, commands: Sequence[Command]) -> list[Result]:
        """One result per command of one shard, in order, each durable."""
        work = Work(commands)
        self._queues[number].add(work)
        self._arrived.poke()
        results: list[Result] = await work.done
        return results

    async def read(self, number: int, look: Callable[[Shard], T]) -> T:
        """What `look` finds in memory at the confirmed head of a shard's log.

        It looks from within the loop: once that goes on, memory holds what is decided and not yet durable.
        """
        work = Work((), look)
        self._queues[number].add(work)
        self._arrived.poke()
        found: T = await work.done
        return found

    async def run(self) -> None:
        """Commits for ever. An outage is waited out; a log that does not fit is not served until it does."""
        pause = RETRY_SECONDS
        while True:
            try:
                for number in list(self._stale):
                    await self._fold(number)
                if not any(self._queues.values()) and not self._is_due():
                    await self._arrived.wait(self._seconds_to_deadline())
                await self._commit()
                pause = RETRY_SECONDS
            except asyncio.CancelledError:
                # A loop that is begun again must not decide on what may never have landed.
                self._forget()
                self._refuse_waiting(unavailable("ledger"))
                await self._log.close()
                raise
            except _DOUBT as error:
                log.warning("log_in_doubt", shards=list(self._shards), error=type(error).__name__)
                await self._start_over(pause)
                pause = min(pause * 2, RETRY_SECONDS_MAX)
            except _MISFIT as error:
                log.error("log_does_not_fit", error=str(error))
                self._refuse_waiting(unavailable("ledger"))
                await self._start_over(RETRY_SECONDS_MAX)
            except Exception:
                # A defect: whoever waits gets an answer, and memory is what the log says again.
                log.exception("commit_failed")
                self._refuse_waiting(Refusal("INTERNAL", "the ledger failed"))
                await self._start_over(pause)

    async def _commit(self) -> None:
        """Decides what waits on every shard, makes it durable in one statement, then answers."""
        commits: dict[int, Commit] = {}
        confirm: list[int] = []
        now = clock.now_us()
        for number, shard in self._shards.items():
            queue = self._queues[number]
            if not queue and (shard.next_deadline is None or shard.next_deadline > now):
                continue
            shard.begin(now)
            queue.decide(shard)
            if shard.has_events:
                commits[number] = shard.close(self._writer)
            else:
                confirm.append(number)
        durable = await self._log.append(list(commits.values())) if commits else set()
        for number, commit in commits.items():
            if number in durable:
                self._shards[number].committed(commit)
            else:
                await self._explain(number)
        heads = await self._log.heads(confirm) if confirm else {}
        if durable:
            self._appended.poke()
        current = [number for number, head in heads.items() if self._is_at_head(number, head)]
        for number in (*durable, *current):
            await self._answer(number)

    async def _answer(self, number: int) -> None:
        """What was decided on a shard is durable: answers, first reading back what replays need."""
        replays: dict[int, list[tuple[list[Result], int, int]]] = {}
        for work in self._queues[number].decided():
            for place, result in enumerate(work.decided):
                if isinstance(result, Recorded):
                    replays.setdefault(result.seq, []).append((work.decided, place, result.index))
        # A batch that is sent again points thousands of times to few commits: each is read once.
        for seq, of_commit in replays.items():
            batch = recorded.batch(await self._log.body(number, seq))
            for results, place, index in of_commit:
                results[place] = recorded.answer(batch, index)
        self._queues[number].answer(self._shards[number])

    async def _explain(self, number: int) -> None:
        """After an append that made no row: another process was first, the log regressed, or our clock is ahead."""
        shard = self._shards[number]
        self._stale.add(number)
        if await self._log.hash_of(number, shard.seq) != shard.hash:
            raise BrokenChainError(f"LOG_REGRESSED: shard {number} has no commit {shard.seq} as it was folded")
        if await self._log.hash_of(number, shard.seq + 1) is None:
            raise BrokenChainError("CLOCK_AHEAD: this clock is over a second ahead of the database's")
        log.info("race_lost", shard=number, seq=shard.seq + 1)

    def _is_at_head(self, number: int, head: tuple[int, bytes]) -> bool:
        shard = self._shards[number]
        seq, digest = head
        if seq < shard.seq or (seq == shard.seq and digest != shard.hash):
            raise BrokenChainError(f"LOG_REGRESSED: shard {number} was folded to {shard.seq}, its log ends with {seq}")
        if seq > shard.seq:
            self._stale.add(number)
        return seq == shard.seq

    async def _fold(self, number: int) -> None:
        """Brings a shard's memory up to the head of its log, from the start where it ran ahead of it."""
        shard = self._shards[number]
        if shard.has_events:
            shard = self._shards[number] = Shard(number)
        while commits := await self._log.read(number, shard.seq, shard.hash, FOLD_COMMITS):
            for commit in commits:
                shard.fold(commit)
                await asyncio.sleep(0)
        self._stale.discard(number)

    async def _start_over(self, pause: float) -> None:
        """Drops memory and connection; everything is folded before it is decided on again."""
        self._forget()
        await self._log.close()
        await asyncio.sleep(pause)

    def _forget(self) -> None:
        self._shards = {number: Shard(number) for number in self._shards}
        self._stale = set(self._shards)

    def _refuse_waiting(self, refusal: Refusal) -> None:
        for queue in self._queues.values():
            queue.refuse(refusal)

    def _is_due(self) -> bool:
        return self._seconds_to_deadline() <= 0

    def _seconds_to_deadline(self) -> float:
        deadlines = [shard.next_deadline for shard in self._shards.values() if shard.next_deadline is not None]
        if not deadlines:
            return IDLE_SECONDS
        return min((min(deadlines) - clock.now_us()) / clock.MICROS_PER_SECOND, IDLE_SECONDS)
