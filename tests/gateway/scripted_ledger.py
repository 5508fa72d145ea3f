"""A ledger that keeps what it is asked and answers what a test wrote, behind a gRPC server and the gateway's routes."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any, cast

import grpc
import httpx
from scrip.ledger.v1 import ledger_pb2, ledger_pb2_grpc

from scrip_client import LedgerClient
from services.gateway.accounts import OpenedAccount
from services.gateway.app import assemble
from services.gateway.auth import Doorkeeper
from services.gateway.door import Door
from services.gateway.keys import ApiKey, digest_of
from services.gateway.peers import Ledger
from services.gateway.routes import account, accounts, books, corrections, grants, lists
from services.runtime import clock, grpc_status
from services.runtime.errors import Refusal

ADMIN_KEY = "scrip_admin_AAAAAAAA_" + "a" * 32
USER_KEY = "scrip_user_BBBBBBBB_" + "b" * 32
ACCOUNT = ledger_pb2.GetBalanceResponse(
    account=ledger_pb2.Account(account_id="acme", state=ledger_pb2.Account.STATE_ACTIVE), position="3:7"
)
READS = (
    *("GetBalance", "ListEntries", "ListReservations", "ListGrants"),
    *("ExplainBalance", "GetTotals"),
)


class ScriptedLedger:
    """`asked`: every request, in order. `answers`: by command kind or method, the response or the refusal."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.answers: dict[str, Any] = {"GetBalance": ACCOUNT}

    def of(self, kind: type[Any]) -> Any:
        """The one request of a kind."""
        (found,) = [one for one in self.asked if isinstance(one, kind)]
        return found

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Its address while the body runs."""
        servicer = ledger_pb2_grpc.LedgerServiceServicer()
        setattr(servicer, "BatchExecute", self._batch_execute)  # noqa: B010 (the generated class types it)
        for method in READS:
            setattr(servicer, method, self._read(method))
        server = grpc.aio.server()
        ledger_pb2_grpc.add_LedgerServiceServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            await server.stop(0)

    async def _batch_execute(self, request: ledger_pb2.BatchExecuteRequest, _context: Any) -> Any:
        return ledger_pb2.BatchExecuteResponse(results=[self._result(command) for command in request.commands])

    def _result(self, command: ledger_pb2.Command) -> ledger_pb2.CommandResult:
        kind = str(command.WhichOneof("command"))
        self.asked.append(getattr(command, kind))
        said = self.answers.get(kind)
        if isinstance(said, Refusal):
            error = ledger_pb2.CommandError(
                code=said.code.value[0], reason=said.reason, message=said.message, metadata=said.metadata
            )
            return ledger_pb2.CommandResult(error=error)
        result = ledger_pb2.CommandResult()
        target = getattr(result, kind)
        target.SetInParent()
        if said is not None:
            target.CopyFrom(said)
        return result

    def _read(self, method: str) -> Any:
        async def read(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            self.asked.append(request)
            said = self.answers.get(method)
            if isinstance(said, Refusal):
                await context.abort_with_status(grpc_status.to_status(said, "scrip.ledger"))
            return said if said is not None else getattr(ledger_pb2, f"{method}Response")()

        return read


class _Keys:
    """One admin's key, and one of account acme."""

    async def find(self, digest: str) -> ApiKey | None:
        known = {
            digest_of(ADMIN_KEY): ApiKey("AAAAAAAA", "admin", None, "", clock.EPOCH),
            digest_of(USER_KEY): ApiKey("BBBBBBBB", "user", "acme", "", clock.EPOCH),
        }
        return known.get(digest)


class _Accounts:
    async def remember(self, opened: OpenedAccount) -> None:
        """There is no list."""


@contextlib.asynccontextmanager
async def routes(ledger: ScriptedLedger) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the routes that ask the ledger."""
    async with ledger.serving() as address, LedgerClient(address, "token") as client:
        doorkeeper, peer = Doorkeeper(cast("Any", _Keys())), Ledger(client)
        pages = lists.Lists(peer)
        handlers = [
            *account.handlers(doorkeeper, peer),
            *lists.own_handlers(doorkeeper, pages),
            *lists.any_handlers(doorkeeper, pages),
            *accounts.handlers(doorkeeper, peer, cast("Any", _Accounts())),
            *accounts.change_handlers(doorkeeper, peer),
            *grants.handlers(doorkeeper, peer),
            *corrections.handlers(doorkeeper, peer),
            *books.handlers(doorkeeper, peer),
        ]
        transport = httpx.ASGITransport(cast("Any", Door(assemble(handlers))))
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
            yield http
