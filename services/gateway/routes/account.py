"""The caller's own account."""

from typing import Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from scrip.ledger.v1 import ledger_pb2

from services.gateway import answers, mapping, pages, shapes
from services.gateway.answers import Answer
from services.gateway.auth import Doorkeeper
from services.gateway.openapi import Operation, opt
from services.gateway.peers import Ledger

TAG = "account"
ASK_SECONDS = 5.0


async def balance(ledger: Ledger, account_id: str) -> ledger_pb2.GetBalanceResponse:
    """An account with its credits and grants; raises ACCOUNT_NOT_FOUND."""
    question = ledger_pb2.GetBalanceRequest(account_id=account_id)
    return await ledger.peer.call(ledger.stub.GetBalance, question, ASK_SECONDS)


def handlers(doorkeeper: Doorkeeper, ledger: Ledger) -> list[HTTPRouteHandler]:
    """The routes under /v1/account."""

    @get(
        "/v1/account",
        opt=opt(
            Operation(
                "The account, its credits and grants",
                TAG,
                {200: shapes.Account},
                problems=["ACCOUNT_NOT_FOUND", "ACCOUNT_REQUIRED"],
            )
        ),
    )
    async def get_account(request: Request[Any, Any, Any]) -> Answer:
        payer = await doorkeeper.payer(request)
        return answers.of(mapping.account(await balance(ledger, payer.account_id)))

    @get(
        "/v1/account/statement",
        opt=opt(
            Operation(
                "Every entry of the account, newest first",
                TAG,
                {200: shapes.Statement},
                paged=True,
                problems=["REQUEST_INVALID", "ACCOUNT_NOT_FOUND", "ACCOUNT_REQUIRED"],
            )
        ),
    )
    async def list_entries(request: Request[Any, Any, Any]) -> Answer:
        payer = await doorkeeper.payer(request)
        page = pages.of(request)
        question = ledger_pb2.ListEntriesRequest(
            account_id=payer.account_id, page_size=page.size, page_token=page.token
        )
        response = await ledger.peer.call(ledger.stub.ListEntries, question, ASK_SECONDS)
        entries = [mapping.entry(entry) for entry in response.entries]
        return answers.of(shapes.Statement(entries, response.next_page_token, response.as_of_position))

    return [get_account, list_entries]
