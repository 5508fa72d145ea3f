"""The client: what a program calls."""

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import grpc
from scrip.ledger.v1 import ledger_pb2

from scrip_client.replica import Metadata, Replica
from scrip_client.sender import ATTEMPTS, Answer, Sender, command_kind

SECONDS = 5.0
MANY_SECONDS = 30.0
WAITING_MAX = 4_096


class LedgerClient:
    """A ledger of one or several replicas. Make it on a running event loop; `async with` closes it.

    `addresses`: `host:port` of every replica, each spelled the same by all callers, as it decides which shards the
    replica serves; one string may hold several, separated by commas.
    `token`: the caller's service token.
    `shards`: how many the ledger was made with.
    `credentials`: for TLS; without them calls go in plaintext.
    `metadata`: asked for each call's gRPC metadata, in the context of the first command that the call carries; the
    place for a `traceparent`. What the events keep of a trace is `subject.trace_id` of each command.
    `waiting_max`: commands that may wait for one replica; more are LedgerUnavailable at once.

    Every method takes its request message and a timeout in seconds, retries included, answers the method's response
    message, and raises LedgerRefusal or LedgerUnavailable. UNAVAILABLE and ABORTED are tried again up to 7 times, after
    a random part of 25 ms, 50 ms, … 1 s, at the account's next replica where one does not answer. A request id makes
    that safe: a command that was applied already answers `replayed`.

    Commands of many tasks leave together: at most 1,000 commands and 4 MiB a call, two calls at a time to each replica.
    Those of one account leave in the order in which they were given; who needs one to be decided before the other
    awaits its answer.
    """

    def __init__(
        self,
        addresses: str | Sequence[str],
        token: str,
        *,
        shards: int = 16,
        credentials: grpc.ChannelCredentials | None = None,
        metadata: Callable[[], Metadata] = tuple,
        waiting_max: int = WAITING_MAX,
    ) -> None:
        names = addresses.split(",") if isinstance(addresses, str) else addresses
        replicas = [Replica(address.strip(), token, credentials, metadata) for address in names]
        if not replicas:
            raise ValueError("at least one address is needed")
        self._sender = Sender(replicas, shards, waiting_max)
        self.channels: Mapping[str, grpc.aio.Channel] = {replica.address: replica.channel for replica in replicas}
        """Each replica's channel by its address, for calls that have no method here: streams, health."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends calls under way, whose callers are told LedgerUnavailable, and lets the connections go."""
        await self._sender.close()

    async def answer(self, command: ledger_pb2.Command, timeout: float = SECONDS) -> Answer:
        """The response to any command, and whether it is doubtful; raises ValueError for an empty one."""
        kind = command_kind(command)
        return await self._sender.answer(kind, getattr(command, kind), timeout)

    async def execute(self, command: ledger_pb2.Command, timeout: float = SECONDS) -> Any:
        """The response message of any command; raises ValueError for an empty one."""
        return (await self.answer(command, timeout)).response

    async def execute_many(
        self, commands: Sequence[ledger_pb2.Command], timeout: float = MANY_SECONDS, attempts: int = ATTEMPTS
    ) -> list[ledger_pb2.CommandResult]:
        """One result per command, in their order, however many; each stands or falls by itself.

        Raises nothing but ValueError, for an empty command: refusals and failures are results with an `error`, whose
        `code` is that of gRPC; UNAVAILABLE and ABORTED: there is no answer, and the command may have been applied.
        What may pass is tried `attempts` times in all. Commands of one account are sent in order, except those that
        are tried again. The list does not wait behind single commands; it leaves in calls of its own.
        """
        return await self._sender.execute_many(commands, timeout, attempts)

    async def open_account(
        self, request: ledger_pb2.OpenAccountRequest, timeout: float = SECONDS
    ) -> ledger_pb2.OpenAccountResponse:
        """Opens an account; one that is open is the answer. Without an id it gets one derived from the request id."""
        return (await self._sender.answer("open_account", request, timeout)).response

    async def update_account(
        self, request: ledger_pb2.UpdateAccountRequest, timeout: float = SECONDS
    ) -> ledger_pb2.UpdateAccountResponse:
        """Freezes, unfreezes or closes an account, or changes its credit limit."""
        return (await self._sender.answer("update_account", request, timeout)).response

    async def grant(
        self, request: ledger_pb2.GrantCreditsRequest, timeout: float = SECONDS
    ) -> ledger_pb2.GrantCreditsResponse:
        """Adds credits."""
        return (await self._sender.answer("grant_credits", request, timeout)).response

    async def void_grant(
        self, request: ledger_pb2.VoidGrantRequest, timeout: float = SECONDS
    ) -> ledger_pb2.VoidGrantResponse:
        """Withdraws what is left of a grant."""
        return (await self._sender.answer("void_grant", request, timeout)).response

    async def reserve(
        self, request: ledger_pb2.ReserveCreditsRequest, timeout: float = SECONDS
    ) -> ledger_pb2.ReserveCreditsResponse:
        """Sets credits aside; INSUFFICIENT_CREDITS where fewer are available."""
        return (await self._sender.answer("reserve_credits", request, timeout)).response

    async def extend(
        self, request: ledger_pb2.ExtendReservationRequest, timeout: float = SECONDS
    ) -> ledger_pb2.ExtendReservationResponse:
        """Moves the expiry of an open reservation; the answer is the reservation as it is now."""
        return (await self._sender.answer("extend_reservation", request, timeout)).response

    async def capture(
        self, request: ledger_pb2.CaptureReservationRequest, timeout: float = SECONDS
    ) -> ledger_pb2.CaptureReservationResponse:
        """Spends reserved credits up to a cumulative total."""
        return (await self._sender.answer("capture_reservation", request, timeout)).response

    async def release(
        self, request: ledger_pb2.ReleaseReservationRequest, timeout: float = SECONDS
    ) -> ledger_pb2.ReleaseReservationResponse:
        """Gives what is left of a reservation back to its grants, and ends it."""
        return (await self._sender.answer("release_reservation", request, timeout)).response

    async def refund(
        self, request: ledger_pb2.RefundCaptureRequest, timeout: float = SECONDS
    ) -> ledger_pb2.RefundCaptureResponse:
        """Gives captured credits back."""
        return (await self._sender.answer("refund_capture", request, timeout)).response

    async def adjust(
        self, request: ledger_pb2.AdjustBalanceRequest, timeout: float = SECONDS
    ) -> ledger_pb2.AdjustBalanceResponse:
        """Adds or takes credits by hand."""
        return (await self._sender.answer("adjust_balance", request, timeout)).response

    async def transfer(
        self, request: ledger_pb2.TransferCreditsRequest, timeout: float = SECONDS
    ) -> ledger_pb2.TransferCreditsResponse:
        """Moves available credits to another account; SENT: the ledger goes on by itself."""
        return (await self._sender.answer("transfer_credits", request, timeout)).response

    async def get_account(
        self, request: ledger_pb2.GetAccountRequest, timeout: float = SECONDS
    ) -> ledger_pb2.GetAccountResponse:
        """One account."""
        return await self._sender.read("GetAccount", request, timeout)

    async def get_balance(
        self, request: ledger_pb2.GetBalanceRequest, timeout: float = SECONDS
    ) -> ledger_pb2.GetBalanceResponse:
        """An account's credits, live grants and open reservations."""
        return await self._sender.read("GetBalance", request, timeout)

    async def get_reservation(
        self, request: ledger_pb2.GetReservationRequest, timeout: float = SECONDS
    ) -> ledger_pb2.GetReservationResponse:
        """One reservation, open or ended."""
        return await self._sender.read("GetReservation", request, timeout)

    async def list_reservations(
        self, request: ledger_pb2.ListReservationsRequest, timeout: float = SECONDS
    ) -> ledger_pb2.ListReservationsResponse:
        """A page of reservations, oldest first."""
        return await self._sender.read("ListReservations", request, timeout)

    async def batch_get_reservations(
        self, request: ledger_pb2.BatchGetReservationsRequest, timeout: float = SECONDS
    ) -> ledger_pb2.BatchGetReservationsResponse:
        """Those of up to 500 reservations that there are, of any accounts."""
        return await self._sender.read("BatchGetReservations", request, timeout)

    async def list_open_reservations(
        self, request: ledger_pb2.ListOpenReservationsRequest, timeout: float = SECONDS
    ) -> ledger_pb2.ListOpenReservationsResponse:
        """A page of what all accounts have open."""
        return await self._sender.read("ListOpenReservations", request, timeout)

    async def list_grants(
        self, request: ledger_pb2.ListGrantsRequest, timeout: float = SECONDS
    ) -> ledger_pb2.ListGrantsResponse:
        """A page of grants, newest first."""
        return await self._sender.read("ListGrants", request, timeout)

    async def list_entries(
        self, request: ledger_pb2.ListEntriesRequest, timeout: float = SECONDS
    ) -> ledger_pb2.ListEntriesResponse:
        """A page of an account's statement, newest first."""
        return await self._sender.read("ListEntries", request, timeout)

    async def explain_balance(
        self, request: ledger_pb2.ExplainBalanceRequest, timeout: float = SECONDS
    ) -> ledger_pb2.ExplainBalanceResponse:
        """How a balance came to be, or what became of a request."""
        return await self._sender.read("ExplainBalance", request, timeout)

    async def get_totals(
        self, request: ledger_pb2.GetTotalsRequest, timeout: float = SECONDS
    ) -> ledger_pb2.GetTotalsResponse:
        """What every book holds, over all accounts and shards."""
        return await self._sender.read("GetTotals", request, timeout)
