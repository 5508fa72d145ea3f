"""The ledger as its door sees it: commands go to the shard of their account; questions are answered at its head."""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from services.ledger.application.committer import Committer
from services.ledger.application.shard import Result, Shard
from services.ledger.domain import errors
from services.ledger.domain.account import Account, Balance, Reservation, balance_at
from services.ledger.domain.commands import Command
from services.runtime import clock
from services.runtime.lifecycle import Signal

T = TypeVar("T")

# Commit loops of a process: one decides while the other waits for its fsync.
LANES = 2


def shard_of(account_id: str, shards: int) -> int:
    """First eight bytes, big-endian, of SHA-256(account_id), modulo the number of shards."""
    return int.from_bytes(hashlib.sha256(account_id.encode()).digest()[:8], "big") % shards


class Ledger:
    """All shards in one process; its `loops` keep them committing."""

    def __init__(self, dsn: str, shards: int, writer: str) -> None:
        # One for each reader of the log: a signal wakes one waiter.
        self.relay_signal = Signal()
        self.entries_signal = Signal()
        self.followers_signal = Signal()
        appended = _Fanout(self.relay_signal, self.entries_signal, self.followers_signal)
        self.shards = shards
        self._committers = [
            Committer(dsn, range(lane, shards, LANES), writer, appended) for lane in range(min(LANES, shards))
        ]

    @property
    def loops(self) -> Sequence[Callable[[], Coroutine[Any, Any, None]]]:
        """The commit loops, for `lifecycle.background`: the ledger answers while they run."""
        return [committer.run for committer in self._committers]

    def shard_number(self, account_id: str) -> int:
        """The account's shard."""
        return shard_of(account_id, self.shards)

    async def execute(self, commands: Sequence[Command]) -> list[Result]:
        """One result per command, in their order; those of one shard stand in one queue, so order holds there."""
        if len(commands) == 1:
            number = self.shard_number(commands[0].account_id)
            return await self._committer(number).execute(number, commands)
        places: dict[int, list[int]] = {}
        for place, command in enumerate(commands):
            places.setdefault(self.shard_number(command.account_id), []).append(place)
        answers = await asyncio.gather(
            *(
                self._committer(number).execute(number, [commands[place] for place in of_shard])
                for number, of_shard in places.items()
            )
        )
        results: list[Result | None] = [None] * len(commands)
        for of_shard, answer in zip(places.values(), answers, strict=True):
            for place, result in zip(of_shard, answer, strict=True):
                results[place] = result
        return [result for result in results if result is not None]

    async def balance(self, account_id: str) -> tuple[Account, Balance, str, int]:
        """The account, its balance, the position it was read at and the time it holds for; raises AccountNotFound."""

        def look(shard: Shard) -> tuple[Account, Balance, str, int]:
            account = _account(shard, account_id)
            at = max(clock.now_us(), shard.at)
            return account, balance_at(account, at), f"{shard.number}:{shard.next_position - 1}", at

        return await self._read(account_id, look)

    async def reservation(self, account_id: str, reservation_id: str) -> Reservation:
        """One reservation, open or ended; raises AccountNotFound, ReservationNotFound."""

        def look(shard: Shard) -> Reservation:
            reservation = _account(shard, account_id).reservation(reservation_id)
            if reservation is None:
                raise errors.ReservationNotFoundError(account_id=account_id, reservation_id=reservation_id)
            return reservation.copy()

        return await self._read(account_id, look)

    async def head(self, account_id: str) -> tuple[int, int, str]:
        """(shard, last commit, last position) at the confirmed head of the account's shard; raises AccountNotFound."""

        def look(shard: Shard) -> tuple[int, int, str]:
            _account(shard, account_id)
            return shard.number, shard.seq, f"{shard.number}:{shard.next_position - 1}"

        return await self._read(account_id, look)

    async def _read(self, account_id: str, look: Callable[[Shard], T]) -> T:
        number = self.shard_number(account_id)
        return await self._committer(number).read(number, look)

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
