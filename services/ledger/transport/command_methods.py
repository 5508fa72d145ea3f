"""The methods of LedgerService that command: a request becomes a command, its result the response."""

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
from scrip.ledger.v1 import ledger_pb2

from services.ledger.application.execution import Done, Execution
from services.ledger.application.ledger import Ledger
from services.ledger.application.results import Refused
from services.ledger.domain.commands import Command, SendTransfer
from services.ledger.domain.errors import BatchRefusedError
from services.ledger.transport.commands import PARSERS
from services.ledger.transport.origin import Arrival
from services.ledger.transport.results import fill, fill_error, refusal_of
from services.runtime.errors import Refusal, invalid

BATCH_COMMANDS_MAX = 8_000
ATOMIC_COMMANDS_MAX = 1_000
# Read or answered without a pause for other callers: some milliseconds.
COMMANDS_AT_ONCE = 1_000
_Request = ledger_pb2.BatchExecuteRequest
_MODES = (_Request.MODE_UNSPECIFIED, _Request.MODE_INDEPENDENT, _Request.MODE_ATOMIC)

Context = grpc.aio.ServicerContext[Any, Any]
# A command of a batch, or why it is none.
Parsed = Command | Refusal


class CommandMethods:
    """Each answers when its command is durable."""

    def __init__(self, ledger: Ledger, execution: Execution) -> None:
        self._shard_number = ledger.shard_number
        self._execution = execution

    async def OpenAccount(self, request: ledger_pb2.OpenAccountRequest, context: Context) -> Any:  # noqa: N802
        """Opens an account."""
        return await self._one("open_account", request, ledger_pb2.OpenAccountResponse())

    async def UpdateAccount(self, request: ledger_pb2.UpdateAccountRequest, context: Context) -> Any:  # noqa: N802
        """Changes an account's state or credit limit."""
        return await self._one("update_account", request, ledger_pb2.UpdateAccountResponse())

    async def GrantCredits(self, request: ledger_pb2.GrantCreditsRequest, context: Context) -> Any:  # noqa: N802
        """Adds credits."""
        return await self._one("grant_credits", request, ledger_pb2.GrantCreditsResponse())

    async def VoidGrant(self, request: ledger_pb2.VoidGrantRequest, context: Context) -> Any:  # noqa: N802
        """Withdraws what is left of a grant."""
        return await self._one("void_grant", request, ledger_pb2.VoidGrantResponse())

    async def ReserveCredits(self, request: ledger_pb2.ReserveCreditsRequest, context: Context) -> Any:  # noqa: N802
        """Sets credits aside."""
        return await self._one("reserve_credits", request, ledger_pb2.ReserveCreditsResponse())

    async def ExtendReservation(self, request: ledger_pb2.ExtendReservationRequest, context: Context) -> Any:  # noqa: N802
        """Moves a reservation's expiry."""
        return await self._one("extend_reservation", request, ledger_pb2.ExtendReservationResponse())

    async def CaptureReservation(self, request: ledger_pb2.CaptureReservationRequest, context: Context) -> Any:  # noqa: N802
        """Spends reserved credits."""
        return await self._one("capture_reservation", request, ledger_pb2.CaptureReservationResponse())

    async def ReleaseReservation(self, request: ledger_pb2.ReleaseReservationRequest, context: Context) -> Any:  # noqa: N802
        """Gives reserved credits back."""
        return await self._one("release_reservation", request, ledger_pb2.ReleaseReservationResponse())

    async def RefundCapture(self, request: ledger_pb2.RefundCaptureRequest, context: Context) -> Any:  # noqa: N802
        """Gives captured credits back."""
        return await self._one("refund_capture", request, ledger_pb2.RefundCaptureResponse())

    async def AdjustBalance(self, request: ledger_pb2.AdjustBalanceRequest, context: Context) -> Any:  # noqa: N802
        """Adds or takes credits by hand."""
        return await self._one("adjust_balance", request, ledger_pb2.AdjustBalanceResponse())

    async def TransferCredits(self, request: ledger_pb2.TransferCreditsRequest, context: Context) -> Any:  # noqa: N802
        """Moves credits to another account."""
        return await self._one("transfer_credits", request, ledger_pb2.TransferCreditsResponse())

    async def _one(self, kind: str, request: Any, response: Any) -> Any:
        command = PARSERS[kind](request, Arrival.of_call())
        (done,) = await self._execution.each([command])
        if isinstance(done, Refused):
            raise refusal_of(done)
        fill(kind, response, command.account_id, done, self._shard_number(command.account_id))
        return response

    async def BatchExecute(self, request: _Request, context: Context) -> ledger_pb2.BatchExecuteResponse:  # noqa: N802
        """Many commands: each by itself, or all or none."""
        _limit_commands(len(request.commands), BATCH_COMMANDS_MAX)
        if request.mode not in _MODES:
            raise invalid("mode", f"must be INDEPENDENT or ATOMIC, not {request.mode}", value=request.mode)
        kinds, parsed = await _parse(request.commands)
        if request.mode == _Request.MODE_ATOMIC:
            results = await self._together(parsed)
        else:
            results = await self._each(parsed)
        response = ledger_pb2.BatchExecuteResponse()
        add, shard_number = response.results.add, self._shard_number
        for place, (kind, command, done) in enumerate(zip(kinds, parsed, results, strict=True)):
            if place % COMMANDS_AT_ONCE == 0:
                await asyncio.sleep(0)
            target = add()
            if isinstance(command, Refusal) or isinstance(done, Refused | Refusal):
                fill_error(target.error, refusal_of(done))
            else:
                account_id = command.account_id
                fill(kind, getattr(target, kind), account_id, done, shard_number(account_id))
        return response

    async def _each(self, parsed: list[Parsed]) -> Sequence[Done | Refusal]:
        """What is malformed stays where it stands and touches nothing else."""
        done = await self._execution.each([command for command in parsed if not isinstance(command, Refusal)])
        if len(done) == len(parsed):
            return done
        results = iter(done)
        return [command if isinstance(command, Refusal) else next(results) for command in parsed]

    async def _together(self, parsed: list[Parsed]) -> Sequence[Done | Refusal]:
        """What is malformed keeps all others from being done."""
        _limit_commands(len(parsed), ATOMIC_COMMANDS_MAX)
        commands = [command for command in parsed if not isinstance(command, Refusal)]
        if any(isinstance(command, SendTransfer) for command in commands):
            raise invalid("commands", "a transfer cannot be part of an atomic batch")
        accounts = sorted({command.account_id for command in commands})
        if len(accounts) > 1:
            raise invalid(
                "commands",
                f"an atomic batch is of one account, not of {accounts[0]} and {accounts[1]}",
                accounts=len(accounts),
                limit=1,
            )
        for place, command in enumerate(parsed):
            if isinstance(command, Refusal):
                others = Refused(BatchRefusedError(index=place))
                return [command if number == place else others for number in range(len(parsed))]
        return await self._execution.together(commands)


async def _parse(commands: Sequence[ledger_pb2.Command]) -> tuple[list[str], list[Parsed]]:
    """The kind of each command, and the command or why it is none."""
    arrival = Arrival.of_call()
    kinds: list[str] = []
    parsed: list[Parsed] = []
    for place, element in enumerate(commands):
        if place % COMMANDS_AT_ONCE == 0:
            await asyncio.sleep(0)
        kind = element.WhichOneof("command") or ""
        kinds.append(kind)
        try:
            if not kind:
                raise invalid("commands", "an element holds no command")
            parsed.append(PARSERS[kind](getattr(element, kind), arrival))
        except Refusal as error:
            parsed.append(error)
    return kinds, parsed


def _limit_commands(count: int, limit: int) -> None:
    if not 1 <= count <= limit:
        raise invalid("commands", f"must be 1 to {limit}, not {count}", limit=limit, value=count)
