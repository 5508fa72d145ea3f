"""Transfers between shards: driven from the source's log until they are completed or returned.

The credits leave by a commit of the source's shard and are then in transit; the source remembers the transfer. Whoever
finds it there lets the other account receive it (once, by its id) and then completes or returns it at the source. Each
step may be repeated by anyone at any time, so recovery from a kill between any two is: run it again.
"""

import asyncio
from dataclasses import dataclass
from enum import IntEnum

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.application.ledger import Ledger
from services.ledger.application.results import Answer, Refused, Result
from services.ledger.application.shard import Shard
from services.ledger.domain import errors
from services.ledger.domain.account import AccountState, Transfer
from services.ledger.domain.commands import SendTransfer, ending_of
from services.ledger.domain.request_ids import key_of
from services.runtime import logs
from services.runtime.errors import Refusal

log = logs.get("transfers")

# Looks for transfers that were left under way, by a kill or an outage.
POLL_SECONDS = 1.0
# A caller waits so long for the other shard, then is told that the credits are on their way.
WAIT_SECONDS = 5.0
# Of one shard and round.
TRANSFERS_MAX = 256
# What the other account answers for good: asked again it will never take the credits in. Only then may they go back;
# after anything else another attempt might succeed, and they would be there twice. (That there is no such account is
# not for good. It was looked up before the credits left, so it is there.)
_FINAL = (errors.AccountClosedError, errors.TransferRejectedError)


class TransferState(IntEnum):
    """Where a transfer stands."""

    SENT = 1
    COMPLETED = 2
    RETURNED = 3


@dataclass(frozen=True, slots=True)
class Transferred:
    """What became of a transfer; `reason`: why it was returned."""

    result: Result
    state: TransferState
    reason: str = ""


class Transfers:
    """Sends transfers and brings those between shards to their end."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def transfer(self, command: SendTransfer) -> Transferred:
        """Sends, and waits a moment for the end; raises AccountNotFound and AccountClosed of the other account."""
        other = await self._ledger.account(command.to_account_id)
        if other.state is AccountState.CLOSED and not await self._was_sent(command):
            raise errors.AccountClosedError(account_id=command.to_account_id)
        (result,) = await self._ledger.execute([command])
        if isinstance(result, Refused):
            return Transferred(result, TransferState.SENT)
        # Where this is said again, that of the first time.
        transfer_id: str = result.subject.transfer_id  # type: ignore[union-attr]
        number = self._ledger.shard_number(command.account_id)
        if number != self._ledger.shard_number(command.to_account_id):
            await self._finish(number, command.account_id, transfer_id)
        ending = await self._ledger.history.transfer_ending(number, command.account_id, transfer_id, result.position)
        if ending is None:
            return Transferred(result, TransferState.SENT)
        if ending.kind == pb.EVENT_KIND_TRANSFER_COMPLETED:
            return Transferred(result, TransferState.COMPLETED)
        return Transferred(result, TransferState.RETURNED, ending.reason)

    async def run(self) -> None:
        """Ends for ever what was left under way; a moment after commits, and now and then."""
        while True:
            for number in self._ledger.warm:
                try:
                    for account_id, transfer in await self._ledger.read_shard(number, _under_way, may_be_stale=True):
                        await self._end(number, account_id, transfer)
                except Refusal as refusal:
                    log.warning("transfers_wait", shard=number, reason=refusal.reason)
            await asyncio.sleep(POLL_SECONDS)

    async def _was_sent(self, command: SendTransfer) -> bool:
        """Whether this is said again: then it answers as it did, whatever became of the other account."""

        def look(shard: Shard) -> bool:
            account = shard.accounts.get(command.account_id)
            key = key_of(account.account_id, command.cause["request_id"]) if account else 0
            return shard.request_ids.find(key) is not None

        return await self._ledger.read_shard(self._ledger.shard_number(command.account_id), look)

    async def _finish(self, number: int, account_id: str, transfer_id: str) -> None:
        """Brings one transfer to its end while its caller waits; what fails is left to `run`."""

        def look(shard: Shard) -> Transfer | None:
            account = shard.accounts.get(account_id)
            return account.transfers.get(transfer_id) if account else None

        try:
            async with asyncio.timeout(WAIT_SECONDS):
                transfer = await self._ledger.read_shard(number, look)
                if transfer is not None:
                    await self._end(number, account_id, transfer)
        except (TimeoutError, Refusal) as error:
            log.warning("transfer_waits", transfer_id=transfer_id, error=type(error).__name__)

    async def _end(self, number: int, account_id: str, transfer: Transfer) -> None:
        """Arrival, then completion or return."""
        received, completed, returned = ending_of(account_id, transfer, {"actor": "ledger"})
        (arrival,) = await self._ledger.execute([received])
        if isinstance(arrival, Answer):
            await self._ledger.execute([completed])
        elif isinstance(arrival.error, _FINAL):
            returned.reason = arrival.error.reason
            await self._ledger.execute([returned])
        else:
            log.error("transfer_refused", shard=number, transfer_id=transfer.transfer_id, error=str(arrival.error))


def _under_way(shard: Shard) -> list[tuple[str, Transfer]]:
    """Transfers from a shard's accounts that have not ended, at most 256; forgets accounts without any."""
    found: list[tuple[str, Transfer]] = []
    for account_id in list(shard.senders):
        account = shard.accounts.get(account_id)
        if account is None or not account.transfers:
            shard.senders.discard(account_id)
            continue
        found += [(account_id, transfer) for transfer in account.transfers.values()]
        if len(found) >= TRANSFERS_MAX:
            break
    return found[:TRANSFERS_MAX]
