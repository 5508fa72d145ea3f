"""The commit loop of some shards: while one commit is in flight the next gathers; then it is decided and appended.

There is no batch size to tune: a commit is what arrived during one fsync, and what a busy event loop has at hand.
Nothing is answered before the commit it depends on; answers that depend on no new event wait for the log's head to be
confirmed instead.

Any process may append to any shard; the log's primary key decides. Who lost a race undoes its batch in memory, reads
what it missed and decides again; after three losses in a row it appends under a lock for a while, so that rivals take
turns. Whatever is in doubt (connection lost, timeout) is settled by the log alone, the same way: what did land is found
by its request id and answered as a replay.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import psycopg

from services.ledger.application.results import BrokenChainError, Decided
from services.ledger.application.shard import Shard
from services.ledger.application.upkeep.snapshotting import load_latest
from services.ledger.application.work import Queue, Work
from services.ledger.domain.commands import Command
from services.ledger.domain.evolve import UnknownEventError
from services.ledger.store.log import Commit, Head, LogStore
from services.runtime import clock, logs
from services.runtime.errors import Refusal, unavailable
from services.runtime.lifecycle import Signal

log = logs.get("committer")
T = TypeVar("T")

FOLD_COMMITS = 256
# What wakes a quiet loop although nothing is due.
IDLE_SECONDS = 60.0
# A turn of the event loop that takes less had nothing to do; a busy loop is let go on for so long before a commit.
IDLE_TURN_SECONDS = 50e-6
GATHER_SECONDS_MAX = 0.002
RETRY_SECONDS = 0.05
RETRY_SECONDS_MAX = 2.0
# Races lost in a row before a shard is appended to under its lock, and for how many commits.
LOSSES_MAX = 3
LOCKED_COMMITS = 64
CLOCK_AHEAD = "CLOCK_AHEAD: this clock is over a second ahead of the database's"
# As far as an append lets it be.
CLOCK_AHEAD_MAX = clock.MICROS_PER_SECOND
_DOUBT = (psycopg.Error, OSError, TimeoutError)
_MISFIT = (BrokenChainError, UnknownEventError)


class _Place:
    """One shard in this process: its memory, what waits for it, and how it fares against rivals."""

    __slots__ = ("is_stale", "locked", "losses", "number", "queue", "retry_at", "shard")

    def __init__(self, number: int) -> None:
        self.number = number
        self.shard = Shard(number)
        self.queue = Queue(number)
        # Memory must be folded before it may be decided on.
        self.is_stale = True
        # When a log that did not fit is looked at again, on the monotonic clock.
        self.retry_at = 0.0
        self.losses = 0
        self.locked = 0


class Committer:
    """Some shards of one process over one connection. `appended` is poked after every commit.

    `warm`: the shards that are kept folded although nobody asks: all that this process may be asked for first. With
    `tail_seconds` they are looked at so often, for what other processes append.
    """

    def __init__(
        self,
        dsn: str,
        numbers: Sequence[int],
        writer: str,
        appended: Signal,
        warm: Iterable[int],
        tail_seconds: float,
    ) -> None:
        self._log = LogStore(dsn)
        self._writer = writer
        self._appended = appended
        self._places = {number: _Place(number) for number in numbers}
        self._warm = set(warm)
        self._tail_seconds = tail_seconds
        self._tailed_at = 0.0
        self._arrived = Signal()

    async def execute(self, number: int, commands: Sequence[Command], together: bool = False) -> list[Decided]:
        """One result per command of one shard, in order, each durable."""
        work = Work(commands, together=together)
        self._places[number].queue.add(work)
        self._arrived.poke()
        results: list[Decided] = await work.done
        return results

    async def read(self, number: int, look: Callable[[Shard], T], may_be_stale: bool = False) -> T:
        """What `look` finds in memory at the confirmed head of a shard's log.

        It looks from within the loop: once that goes on, memory holds what is decided and not yet durable.
        """
        work = Work((), look, may_be_stale=may_be_stale)
        self._places[number].queue.add(work)
        self._arrived.poke()
        found: T = await work.done
        return found

    async def run(self) -> None:
        """Commits for ever. An outage is waited out; a log that does not fit is not served until it does."""
        pause = RETRY_SECONDS
        while True:
            try:
                await self._tail()
                await self._fold_stale()
                if not self._has_work():
                    await self._arrived.wait(self._seconds_to_deadline())
                await _gather()
                await self._commit()
                pause = RETRY_SECONDS
            except asyncio.CancelledError:
                # A loop that is begun again must not decide on what may never have landed.
                self._undo_all()
                self._refuse_waiting(unavailable("ledger"))
                await self._log.close()
                raise
            except _DOUBT as error:
                log.warning("log_in_doubt", shards=list(self._places), error=type(error).__name__)
                await self._start_over(pause)
                pause = min(pause * 2, RETRY_SECONDS_MAX)
            except Exception:
                # A defect: whoever waits gets an answer, and memory is what the log says again.
                log.exception("commit_failed")
                self._refuse_waiting(Refusal("INTERNAL", "the ledger failed"))
                for number in self._places:
                    self._places[number].shard = Shard(number)
                await self._start_over(pause)

    # ---- one commit

    async def _commit(self) -> None:
        """Decides what waits on every shard, makes it durable in one statement, then answers."""
        commits: dict[int, Commit] = {}
        confirm: list[int] = []
        certain: list[int] = []
        now = clock.now_us()
        for number, place in self._places.items():
            deadline = place.shard.next_deadline
            if place.is_stale or not (place.queue or (deadline is not None and deadline <= now)):
                continue
            if place.locked and place.queue:
                await self._commit_locked(place)
                continue
            commit, must_confirm = self._decide(place, now)
            if commit is not None:
                commits[number] = commit
            else:
                (confirm if must_confirm else certain).append(number)
        durable = await self._log.append(list(commits.values())) if commits else set()
        for number, commit in commits.items():
            place = self._places[number]
            if number in durable:
                place.losses = 0
                place.shard.committed(commit)
            else:
                await self._lost(place)
        heads = await self._log.heads(confirm) if confirm else {}
        if durable:
            self._appended.poke()
        current = [number for number, head in heads.items() if self._is_at_head(self._places[number], head)]
        for number in (*durable, *current, *certain):
            self._answer(self._places[number])

    def _decide(self, place: _Place, now: int) -> tuple[Commit | None, bool]:
        """The commit of what waits on a shard, None where nothing happened; and whether its head must be confirmed."""
        place.shard.begin(now)
        must_confirm = place.queue.decide(place.shard)
        if place.shard.has_events:
            return place.shard.close(self._writer), True
        return None, must_confirm

    async def _commit_locked(self, place: _Place) -> None:
        """The same for one shard under its lock, from the log's head on: no rival that locks can be between."""
        place.locked -= 1
        shard = place.shard
        try:
            async with self._log.locked(shard.number):
                for commit in await self._log.read(shard.number, shard.seq, shard.hash, FOLD_COMMITS):
                    shard.fold(commit)
                decided, _ = self._decide(place, clock.now_us())
                if decided is None:
                    heads = await self._log.heads([shard.number])
                else:
                    durable = await self._log.append([decided])
        except _MISFIT as error:
            await self._misfit(place, error)
            return
        if decided is None:
            if self._is_at_head(place, heads[shard.number]):
                self._answer(place)
        elif durable:
            shard.committed(decided)
            self._appended.poke()
            self._answer(place)
        else:
            await self._lost(place)

    def _answer(self, place: _Place) -> None:
        place.queue.answer(place.shard)

    async def _lost(self, place: _Place) -> None:
        """After an append that made no row: another process was first, the log regressed, or our clock is ahead."""
        shard = place.shard
        self._undo(place)
        place.is_stale = True
        if not await self._holds(shard):
            self._stop(place, f"LOG_REGRESSED: there is no commit {shard.seq} as it was folded")
        elif await self._log.hash_of(shard.number, shard.seq + 1) is None:
            self._stop(place, CLOCK_AHEAD)
        else:
            place.losses += 1
            if place.losses >= LOSSES_MAX:
                place.losses, place.locked = 0, LOCKED_COMMITS

    async def _misfit(self, place: _Place, error: Exception) -> None:
        """After a commit that does not follow from what was folded: the log is other than it was, or broken."""
        why = "" if await self._holds(place.shard) else "LOG_REGRESSED: "
        self._stop(place, f"{why}{error}")

    async def _holds(self, shard: Shard) -> bool:
        """Whether the log has the last commit that was folded, as it was folded."""
        return await self._log.hash_of(shard.number, shard.seq) == shard.hash

    def _is_at_head(self, place: _Place, head: Head) -> bool:
        """Whether memory is what the log says now; where nothing is appended, this guards what the append else does."""
        shard = place.shard
        if (head.seq, head.hash) == (shard.seq, shard.hash):
            if shard.now <= max(shard.at, head.now + CLOCK_AHEAD_MAX):
                return True
            self._stop(place, CLOCK_AHEAD)
        elif head.seq > shard.seq:
            self._undo(place)
            place.is_stale = True
        else:
            self._stop(place, f"LOG_REGRESSED: it was folded to {shard.seq}, its log ends with {head.seq}")
        return False

    # ---- following the log

    async def _fold_stale(self) -> None:
        now = clock.monotonic()
        for place in self._places.values():
            if place.is_stale and place.retry_at <= now and self._is_wanted(place):
                try:
                    await self._fold(place)
                except _MISFIT as error:
                    await self._misfit(place, error)

    def _is_wanted(self, place: _Place) -> bool:
        return bool(place.queue) or place.number in self._warm

    async def _fold(self, place: _Place) -> None:
        """Brings a shard's memory up to the head of its log, from the last snapshot where it holds nothing yet."""
        if place.shard.seq == 0:
            place.shard = await load_latest(self._log, place.number)
        shard = place.shard
        while commits := await self._log.read(shard.number, shard.seq, shard.hash, FOLD_COMMITS):
            for commit in commits:
                shard.fold(commit)
                await asyncio.sleep(0)
        place.is_stale = False

    async def _tail(self) -> None:
        """Looks at the warm shards' heads now and then, where other processes append too."""
        if clock.monotonic() - self._tailed_at < self._tail_seconds:
            return
        self._tailed_at = clock.monotonic()
        numbers = [number for number in self._warm if number in self._places and not self._places[number].is_stale]
        for number, head in (await self._log.heads(numbers)).items():
            self._is_at_head(self._places[number], head)

    def _stop(self, place: _Place, why: str) -> None:
        """One shard's log does not fit what is in memory: drop that, refuse who waits, and look again later."""
        log.error("shard_stopped", shard=place.number, why=why)
        place.queue.refuse(unavailable("ledger"))
        place.shard = Shard(place.number)
        place.is_stale = True
        place.retry_at = clock.monotonic() + RETRY_SECONDS_MAX

    def _undo(self, place: _Place) -> None:
        place.shard.undo()
        place.queue.undecide()

    def _undo_all(self) -> None:
        for place in self._places.values():
            self._undo(place)
            place.is_stale = True

    async def _start_over(self, pause: float) -> None:
        """Undoes what is not known to be durable and drops the connection; the log tells what landed."""
        self._undo_all()
        await self._log.close()
        await asyncio.sleep(pause)

    def _refuse_waiting(self, refusal: Refusal) -> None:
        for place in self._places.values():
            place.queue.refuse(refusal)

    # ---- when to go on

    def _has_work(self) -> bool:
        return any(place.queue and not place.is_stale for place in self._places.values()) or (
            self._seconds_to_deadline() <= 0
        )

    def _seconds_to_deadline(self) -> float:
        deadlines = [
            place.shard.next_deadline
            for place in self._places.values()
            if not place.is_stale and place.shard.next_deadline is not None
        ]
        idle = min(IDLE_SECONDS, self._tail_seconds)
        wanted = [place for place in self._places.values() if place.is_stale and self._is_wanted(place)]
        if wanted:
            idle = min(idle, max(min(place.retry_at for place in wanted) - clock.monotonic(), RETRY_SECONDS))
        if not deadlines:
            return idle
        return min((min(deadlines) - clock.now_us()) / clock.MICROS_PER_SECOND, idle)


async def _gather() -> None:
    """Lets a busy event loop take in the calls that are on their way, for each commit costs as much as many commands.

    gRPC hands over one call a turn: without this, a saturated process makes one commit for each. A lone caller loses
    one turn.
    """
    began = turned = clock.monotonic()
    while turned - began < GATHER_SECONDS_MAX:
        await asyncio.sleep(0)
        now = clock.monotonic()
        if now - turned < IDLE_TURN_SECONDS:
            return
        turned = now
