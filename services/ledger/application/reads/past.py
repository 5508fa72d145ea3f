"""What an account was: its own events folded again, up to a position or a time."""

from dataclasses import dataclass

from services.ledger.application.ledger import Ledger
from services.ledger.domain import errors
from services.ledger.domain.account import Account
from services.ledger.domain.balance import Balance, balance_at
from services.ledger.domain.evolve import evolve
from services.ledger.store import entry_pages
from services.runtime import clock
from services.runtime.errors import Refusal, invalid
from services.runtime.postgres import Pool


@dataclass(frozen=True, slots=True)
class Moment:
    """An account and its balance as they were after a position, at a time in microseconds."""

    account: Account
    balance: Balance
    position: int
    at: int


class Past:
    """Balances as they were. Takes time in proportion to the account's events."""

    def __init__(self, ledger: Ledger, pool: Pool) -> None:
        self._ledger = ledger
        self._pool = pool

    async def at_position(self, account_id: str, position: int) -> Moment:
        """After the event at a position of the account's shard; raises AccountNotFound, REQUEST_INVALID."""
        shard, head = await self._head(account_id)
        if position > head:
            raise ahead_of_log("at_position", shard, position, head)
        at = await entry_pages.time_of(self._pool, shard, position)
        return await self._moment(account_id, shard, position, at)

    async def at_time(self, account_id: str, at: int) -> Moment:
        """At a time that is not ahead; raises AccountNotFound, REQUEST_INVALID."""
        if at > clock.now_us():
            raise invalid("at", f"{clock.from_us(at).isoformat()} lies ahead", value=at)
        shard, head = await self._head(account_id)
        beyond = await entry_pages.position_from(self._pool, shard, at + 1)
        return await self._moment(account_id, shard, min(beyond - 1, head), at)

    async def before(self, account_id: str, position: int, at: int) -> Moment:
        """Right before the event at a position, that was recorded at `at`; raises AccountNotFound."""
        return await self._moment(account_id, self._ledger.shard_number(account_id), position - 1, at)

    async def _head(self, account_id: str) -> tuple[int, int]:
        shard, _, position = await self._ledger.head(account_id)
        return shard, int(position.partition(":")[2])

    async def _moment(self, account_id: str, shard: int, position: int, at: int) -> Moment:
        account: Account | None = None
        async for some in entry_pages.of_account(self._pool, shard, account_id, position + 1):
            for entry in some:
                account = evolve(account, entry.event, entry.at)
        if account is None:
            raise errors.AccountNotFoundError(account_id=account_id)
        return Moment(account, balance_at(account, at), position, at)


def ahead_of_log(field: str, shard: int, position: int, head: int) -> Refusal:
    """REQUEST_INVALID: a position that was not yet reached."""
    return invalid(
        field,
        f"{shard}:{position} is ahead of the log, which ends with {shard}:{head}",
        value=f"{shard}:{position}",
        head=f"{shard}:{head}",
    )
