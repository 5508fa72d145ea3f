"""The caller's own account."""

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from scrip.ledger.v1 import ledger_pb2

from services.gateway import answers, ledger_mapping, ledger_shapes, queries
from services.gateway.answers import Answer
from services.gateway.auth import Doorkeeper
from services.gateway.openapi import Operation, opt
from services.gateway.peers import Ledger
from services.runtime.errors import Refusal, invalid

TAG = "account"
ASK_SECONDS = 5.0
MOMENT = (queries.AT, queries.POSITION)


async def balance(
    ledger: Ledger, account_id: str, at: Timestamp | None = None, position: str = ""
) -> ledger_pb2.GetBalanceResponse:
    """An account with its credits and grants, now unless asked otherwise; raises ACCOUNT_NOT_FOUND."""
    question = ledger_pb2.GetBalanceRequest(account_id=account_id, at=at, at_position=position)
    return await ledger.call(ledger.client.get_balance, question, ASK_SECONDS)


async def balance_asked_for(request: Request[Any, Any, Any], ledger: Ledger, account_id: str) -> Answer:
    """An account as it is, or as it was at the moment a request names."""
    query = queries.Query(request, MOMENT)
    at, position = query.time(queries.AT), query.position(queries.POSITION)
    if at and position:
        raise invalid("position", "only one of at and position is possible")
    try:
        return answers.of(ledger_mapping.account(await balance(ledger, account_id, at, position)))
    except Refusal as refusal:
        if refusal.reason == "ACCOUNT_NOT_FOUND" and (at or position):
            raise Refusal(refusal.reason, f"there was no account {account_id} then", refusal.metadata) from None
        raise


def handlers(doorkeeper: Doorkeeper, ledger: Ledger) -> list[HTTPRouteHandler]:
    """The route /v1/account."""

    @get(
        "/v1/account",
        opt=opt(
            Operation(
                "The account, its credits and grants; now, at a time or at a position",
                TAG,
                {200: ledger_shapes.Account},
                query=MOMENT,
                problems=["REQUEST_INVALID", "ACCOUNT_NOT_FOUND", "ACCOUNT_REQUIRED"],
            )
        ),
    )
    async def get_account(request: Request[Any, Any, Any]) -> Answer:
        payer = await doorkeeper.payer(request)
        return await balance_asked_for(request, ledger, payer.account_id)

    return [get_account]
