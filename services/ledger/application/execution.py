"""Commands as the door takes them: what needs two accounts, or more than memory, is seen to here."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from services.ledger.application.ledger import Ledger
from services.ledger.application.reads.grants import Grants, GrantTold
from services.ledger.application.results import Answer, Refused, Result
from services.ledger.application.transfers import Transferred, Transfers
from services.ledger.domain.commands import Command, SendTransfer, VoidGrant
from services.ledger.domain.errors import CommandRefusedError


@dataclass(frozen=True, slots=True)
class Voided:
    """A grant was withdrawn; the grant as it is now."""

    result: Answer
    told: GrantTold


Done = Result | Transferred | Voided


class Execution:
    """Executes commands of all kinds."""

    def __init__(self, ledger: Ledger, grants: Grants, transfers: Transfers) -> None:
        self._ledger = ledger
        self._grants = grants
        self._transfers = transfers

    async def each(self, commands: Sequence[Command]) -> list[Done]:
        """One result per command, in order, each by itself. Transfers go one by one between the others."""
        if not any(isinstance(command, SendTransfer) for command in commands):
            return await self._with_grants(commands, await self._ledger.execute(commands))
        done: list[Done] = []
        for is_transfer, some in groupby(commands, lambda command: isinstance(command, SendTransfer)):
            group = list(some)
            if is_transfer:
                done += [await self._transfer(command) for command in group if isinstance(command, SendTransfer)]
            else:
                done += await self._with_grants(group, await self._ledger.execute(group))
        return done

    async def together(self, commands: Sequence[Command]) -> list[Done]:
        """All commands, of one account and without transfers, or none."""
        return await self._with_grants(commands, await self._ledger.execute_together(commands))

    async def _transfer(self, command: SendTransfer) -> Done:
        try:
            transferred = await self._transfers.transfer(command)
        except CommandRefusedError as error:
            return Refused(error)
        return transferred.result if isinstance(transferred.result, Refused) else transferred

    async def _with_grants(self, commands: Sequence[Command], results: list[Result]) -> list[Done]:
        """What a voided grant is now is told with the answer."""
        done: list[Done] = list(results)
        for place, command in enumerate(commands):
            if isinstance(command, VoidGrant):
                result = results[place]
                if isinstance(result, Answer):
                    done[place] = Voided(result, await self._grants.one(command.account_id, command.grant_id))
        return done
