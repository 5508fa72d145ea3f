"""The ledger as its door sees it: commands go to the shard of their account; questions are answered at its head."""

import asyncio
import copy
import hashlib
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from services.ledger.application.committer import Committer
from services.ledger.application.history import History
from services.ledger.application.results import Answer, Decided, NotOpen, Recorded, Refused, Result
from services.ledger.application.shard import Shard
from services.ledger.domain import errors
from services.ledger.domain.account import Account, Reservation
from services.ledger.domain.balance import Balance, balance_at
from services.ledger.domain.commands import Command, RefundCapture
from services.runtime import clock
from services.runtime.lifecycle import Signal
from services.runtime.postgres import Pool

T = TypeVar("T")

# Commit loops of a process: one decides while the other waits for its fsync.
LANES = 2
# Accounts whose shard is remembered.
NUMBERS_MAX = 1_000_000
_NOTHING = Refused(errors.AccountNotFoundError(account_id=""))


@dataclass(frozen=True, slots=True)
class Freshness:
    """How new an answer must be: at the log's head, at least at a position of its shard, or whatever memory holds."""

    min_position: int = 0
    may_be_stale: bool = False


def shard_of(account_id: str, shards: int) -> int:
    """First eight bytes, big-endian, of SHA-256(account_id), modulo the number of shards."""
    return int.from_bytes(hashlib.sha256(account_id.encode()).digest()[:8], "big") % shards


class Ledger:
    """All shards in one process; its `loops` keep them committing.

    `warm` and `tail_seconds`: see Committer; without them this process is the only one, and keeps every shard folded.
    """

    def __init__(
        self,
        dsn: str,
        pool: Pool,
        shards: int,
        writer: str,
        warm: Iterable[int] | None = None,
        tail_seconds: float = 60.0,
    ) -> None:
        # One for each reader of the log: a signal wakes one waiter.
        self.relay_signal = Signal()
        self.entries_signal = Signal()
        self.followers_signal = Signal()
        appended = _Fanout(self.relay_signal, self.entries_signal, self.followers_signal)
        self.shards = shards
        # The shards this process keeps folded, and whose unfinished transfers it ends.
        self.warm = sorted(range(shards) if warm is None else warm)
        self.history = History(pool)
        self._committers = [
            Committer(dsn, range(lane, shards, LANES), writer, appended, self.warm, tail_seconds)
            for lane in range(min(LANES, shards))
        ]
        # An account's shard is asked for by every command; the first of them computes it.
        self._numbers: dict[str, int] = {}

    @property
    def loops(self) -> Sequence[Callable[[], Coroutine[Any, Any, None]]]:
        """The commit loops, for `lifecycle.background`: the ledger answers while they run."""
        return [committer.run for committer in self._committers]

    def shard_number(self, account_id: str) -> int:
        """The account's shard."""
        number = self._numbers.get(account_id)
        if number is None:
            if len(self._numbers) >= NUMBERS_MAX:
                self._numbers.clear()
            number = self._numbers[account_id] = shard_of(account_id, self.shards)
        return number

    async def execute(self, commands: Sequence[Command]) -> list[Result]:
        """One result per command, in their order; those of one shard stand in one queue, so order holds there."""
        await self._look_up_captures(commands)
        if len(commands) == 1:
            number = self.shard_number(commands[0].account_id)
            decided = await self._committer(number).execute(number, commands)
            return [decided[0]] if isinstance(decided[0], Answer) else await self._resolved(decided)
        places: dict[int, list[int]] = {}
        for place, command in enumerate(commands):
            places.setdefault(self.shard_number(command.account_id), []).append(place)
        answers = await asyncio.gather(
            *(
                self._committer(number).execute(number, [commands[place] for place in of_shard])
                for number, of_shard in places.items()
            )
        )
        results: list[Decided] = [_NOTHING] * len(commands)
        for of_shard, answer in zip(places.values(), answers, strict=True):
            for place, result in zip(of_shard, answer, strict=True):
                results[place] = result
        return await self._resolved(results)

    async def execute_together(self, commands: Sequence[Command]) -> list[Result]:
        """All commands, of one account, or none: then one result tells why, and the others that it did."""
        await self._look_up_captures(commands)
        number = self.shard_number(commands[0].account_id)
        return await self._resolved(await self._committer(number).execute(number, commands, together=True))

    async def _look_up_captures(self, commands: Sequence[Command]) -> None:
        """What refunds are about has left memory: they carry it with them."""
        for command in commands:
            if isinstance(command, RefundCapture):
                number = self.shard_number(command.account_id)
                command.captured = await self.history.captured(number, command.account_id, command.reservation_id)

    async def _resolved(self, decided: list[Decided]) -> list[Result]:
        """Reads back what memory does not hold; most results are whole already."""
        if all(isinstance(one, Answer | Refused) for one in decided):
            return decided  # type: ignore[return-value]
        recorded = iter(await self.history.recorded([one for one in decided if isinstance(one, Recorded)]))
        results: list[Result] = []
        for one in decided:
            match one:
                case Recorded():
                    results.append(next(recorded))
                case NotOpen():
                    results.append(await self.history.not_open(one))
                case _:
                    results.append(one)
        return results

    async def balance(self, account_id: str, freshness: Freshness = Freshness()) -> tuple[Account, Balance, str, int]:
        """The account, its balance, the position it was read at and the time it holds for; raises AccountNotFound."""

        def look(shard: Shard) -> tuple[Account, Balance, str, int]:
            account = _account(shard, account_id)
            at = max(clock.now_us(), shard.at)
            return copy.copy(account), balance_at(account, at), f"{shard.number}:{shard.next_position - 1}", at

        return await self._read(account_id, look, freshness)

    async def account(self, account_id: str) -> Account:
        """One account; raises AccountNotFound."""
        return await self._read(account_id, lambda shard: copy.copy(_account(shard, account_id)))

    async def reservation(self, account_id: str, reservation_id: str) -> Reservation:
        """One reservation, open or ended; raises AccountNotFound, ReservationNotFound."""

        def look(shard: Shard) -> Reservation | None:
            found = _account(shard, account_id).open_reservations.get(reservation_id)
            return found.copy() if found else None

        found = await self._read(account_id, look)
        if found is None:
            found = await self.history.reservation(self.shard_number(account_id), account_id, reservation_id)
        if found is None:
            raise errors.ReservationNotFoundError(account_id=account_id, reservation_id=reservation_id)
        return found

    async def head(self, account_id: str) -> tuple[int, int, str]:
        """(shard, last commit, last position) at the confirmed head of the account's shard; raises AccountNotFound."""

        def look(shard: Shard) -> tuple[int, int, str]:
            _account(shard, account_id)
            return shard.number, shard.seq, f"{shard.number}:{shard.next_position - 1}"

        return await self._read(account_id, look)

    async def read_shard(self, number: int, look: Callable[[Shard], T], may_be_stale: bool = False) -> T:
        """What `look` finds in a shard's memory at its confirmed head, or wherever it is."""
        return await self._committer(number).read(number, look, may_be_stale)

    async def _read(self, account_id: str, look: Callable[[Shard], T], freshness: Freshness = Freshness()) -> T:
        number = self.shard_number(account_id)
        committer = self._committer(number)
        if freshness.may_be_stale:
            return await committer.read(number, look, may_be_stale=True)
        if freshness.min_position:
            # As fresh as the caller's own write, without asking the log for its head.
            reached = await committer.read(number, lambda shard: shard.next_position - 1, may_be_stale=True)
            if reached >= freshness.min_position:
                return await committer.read(number, look, may_be_stale=True)
        return await committer.read(number, look)

    def _committer(self, number: int) -> Committer:
        return self._committers[number % len(self._committers)]


def _account(shard: Shard, account_id: str) -> Account:
    account = shard.accounts.get(account_id)
    if account is None:
        raise errors.AccountNotFoundError(account_id=account_id)
    return account


class _Fanout(Signal):
    """Pokes several."""

    def __init__(self, *signals: Signal) -> None:
        super().__init__()
        self._signals = signals

    def poke(self) -> None:
        """Pokes each."""
        for signal in self._signals:
            signal.poke()
