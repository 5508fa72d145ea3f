"""LedgerService: each method turns a request into a command or a question, and the answer into a response."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from scrip.ledger.v1 import events_pb2, ledger_pb2, ledger_pb2_grpc

from services.ledger.application.ledger import Ledger
from services.ledger.application.shard import Answer, Refused, Result
from services.ledger.application.statements import Statements
from services.ledger.domain.commands import Command
from services.ledger.domain.errors import CommandRefusedError
from services.ledger.transport import answers, commands, validation
from services.ledger.transport.status import refusal
from services.runtime import event_log, pages
from services.runtime.errors import Refusal, invalid
from services.runtime.postgres import Pool

BATCH_COMMANDS_MAX = 8_000

Context = grpc.aio.ServicerContext[Any, Any]

_RESPONSES: dict[str, Callable[[], Any]] = {
    "open_account": ledger_pb2.OpenAccountResponse,
    "grant_credits": ledger_pb2.GrantCreditsResponse,
    "reserve_credits": ledger_pb2.ReserveCreditsResponse,
    "extend_reservation": ledger_pb2.ExtendReservationResponse,
    "capture_reservation": ledger_pb2.CaptureReservationResponse,
    "release_reservation": ledger_pb2.ReleaseReservationResponse,
}


class LedgerServicer(ledger_pb2_grpc.LedgerServiceServicer):
    """The door of the ledger; who may come in and what failures look like is the runtime's."""

    def __init__(self, ledger: Ledger, statements: Statements, pool: Pool) -> None:
        self._ledger = ledger
        self._statements = statements
        self._pool = pool

    async def OpenAccount(self, request: ledger_pb2.OpenAccountRequest, context: Context) -> Any:  # noqa: N802
        """Opens an account."""
        return await self._one(commands.open_account(request), ledger_pb2.OpenAccountResponse())

    async def GrantCredits(self, request: ledger_pb2.GrantCreditsRequest, context: Context) -> Any:  # noqa: N802
        """Adds credits."""
        return await self._one(commands.grant_credits(request), ledger_pb2.GrantCreditsResponse())

    async def ReserveCredits(self, request: ledger_pb2.ReserveCreditsRequest, context: Context) -> Any:  # noqa: N802
        """Sets credits aside."""
        return await self._one(commands.reserve_credits(request), ledger_pb2.ReserveCreditsResponse())

    async def ExtendReservation(self, request: ledger_pb2.ExtendReservationRequest, context: Context) -> Any:  # noqa: N802
        """Moves a reservation's expiry."""
        return await self._one(commands.extend_reservation(request), ledger_pb2.ExtendReservationResponse())

    async def CaptureReservation(self, request: ledger_pb2.CaptureReservationRequest, context: Context) -> Any:  # noqa: N802
        """Spends reserved credits."""
        return await self._one(commands.capture_reservation(request), ledger_pb2.CaptureReservationResponse())

    async def ReleaseReservation(self, request: ledger_pb2.ReleaseReservationRequest, context: Context) -> Any:  # noqa: N802
        """Gives reserved credits back."""
        return await self._one(commands.release_reservation(request), ledger_pb2.ReleaseReservationResponse())

    async def _one(self, command: Command, response: Any) -> Any:
        (result,) = await self._ledger.execute([command])
        answer = _answer(result)
        return answers.fill(response, answer, command.account_id, self._ledger.shard_number(command.account_id))

    async def BatchExecute(  # noqa: N802
        self, request: ledger_pb2.BatchExecuteRequest, context: Context
    ) -> ledger_pb2.BatchExecuteResponse:
        """Many commands; each stands or falls by itself."""
        if not 1 <= len(request.commands) <= BATCH_COMMANDS_MAX:
            raise invalid(
                "commands",
                f"must be 1 to {BATCH_COMMANDS_MAX}, not {len(request.commands)}",
                limit=BATCH_COMMANDS_MAX,
                value=len(request.commands),
            )
        parsed: list[Command | Refusal] = []
        for element in request.commands:
            try:
                parsed.append(commands.from_batch(element))
            except Refusal as error:
                parsed.append(error)
        results = iter(await self._ledger.execute([c for c in parsed if not isinstance(c, Refusal)]))
        response = ledger_pb2.BatchExecuteResponse()
        for element, command in zip(request.commands, parsed, strict=True):
            target = response.results.add()
            try:
                if isinstance(command, Refusal):
                    raise command
                answer = _answer(next(results))
            except Refusal as error:
                _fill_error(target.error, error)
                continue
            kind = element.WhichOneof("command") or ""
            shard = self._ledger.shard_number(command.account_id)
            getattr(target, kind).CopyFrom(answers.fill(_RESPONSES[kind](), answer, command.account_id, shard))
        return response

    async def GetReservation(  # noqa: N802
        self, request: ledger_pb2.GetReservationRequest, context: Context
    ) -> ledger_pb2.GetReservationResponse:
        """One reservation."""
        account_id = validation.account_id(request.account_id)
        reservation_id = validation.visible("reservation_id", request.reservation_id)
        try:
            found = await self._ledger.reservation(account_id, reservation_id)
        except CommandRefusedError as error:
            raise refusal(error) from error
        return ledger_pb2.GetReservationResponse(reservation=answers.reservation(account_id, found))

    async def GetBalance(  # noqa: N802
        self, request: ledger_pb2.GetBalanceRequest, context: Context
    ) -> ledger_pb2.GetBalanceResponse:
        """An account's credits."""
        account_id = validation.account_id(request.account_id)
        try:
            account, balance, position, at = await self._ledger.balance(account_id)
        except CommandRefusedError as error:
            raise refusal(error) from error
        return ledger_pb2.GetBalanceResponse(
            account=answers.account(account),
            credits=answers.credits(balance),
            grants=[answers.grant(account_id, grant) for grant in balance.grants],
            position=position,
            as_of=answers.timestamp(at),
        )

    async def ListEntries(  # noqa: N802
        self, request: ledger_pb2.ListEntriesRequest, context: Context
    ) -> ledger_pb2.ListEntriesResponse:
        """A page of a statement."""
        account_id = validation.account_id(request.account_id)
        size = pages.size_of(request.page_size)
        before = pages.place(request.page_token, account_id, int)
        try:
            found = await self._statements.page(account_id, int(before[0]) if before else None, size + 1)
        except CommandRefusedError as error:
            raise refusal(error) from error
        shard = self._ledger.shard_number(account_id)
        rows = found.rows[:size]
        return ledger_pb2.ListEntriesResponse(
            entries=[answers.entry(shard, position, at, event) for position, at, event in rows],
            next_page_token=pages.token(account_id, rows[-1][0]) if len(found.rows) > size else "",
            as_of_position=found.as_of,
        )

    async def ReadEvents(  # noqa: N802
        self, request: ledger_pb2.ReadEventsRequest, context: Context
    ) -> AsyncIterator[ledger_pb2.ReadEventsResponse]:
        """Commits from where the caller stands."""
        cursors = {cursor.shard: cursor.after_seq for cursor in request.cursors}
        for shard in cursors:
            if shard >= self._ledger.shards:
                raise invalid("cursors", f"there is no shard {shard}", limit=self._ledger.shards - 1, value=shard)
        async for row in event_log.follow(self._pool, cursors, request.follow, self._ledger.followers_signal):
            yield ledger_pb2.ReadEventsResponse(batch=events_pb2.EventBatch.FromString(row.body), hash=row.hash)


def _answer(result: Result) -> Answer:
    match result:
        case Answer():
            return result
        case Refused(error):
            raise refusal(error)
        case _:
            raise AssertionError("the committer reads recorded answers back")


def _fill_error(target: ledger_pb2.CommandError, error: Refusal) -> None:
    target.code = error.code.value[0]
    target.reason = error.reason
    target.message = error.message
    target.metadata.update(error.metadata)
