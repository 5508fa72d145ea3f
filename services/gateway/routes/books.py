"""Why a balance is what it is, and what all books hold."""

from typing import Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from scrip.ledger.v1 import ledger_pb2

from services.gateway import answers, explanations, ledger_mapping, ledger_shapes, names, pages, queries
from services.gateway.answers import Answer
from services.gateway.auth import Doorkeeper
from services.gateway.openapi import Operation, opt
from services.gateway.peers import Ledger
from services.gateway.routes.account import ASK_SECONDS, balance
from services.runtime.errors import invalid

# Every replica reads every shard for it.
TOTALS_SECONDS = 10.0
_EXPLAIN = (queries.POSITION, queries.REQUEST_ID, queries.SIZE)


def handlers(doorkeeper: Doorkeeper, ledger: Ledger) -> list[HTTPRouteHandler]:
    """The routes that show how the ledger adds up."""

    @get(
        "/v1/admin/accounts/{account_id:str}/explain",
        opt=opt(
            Operation(
                "How a balance came to be, or what became of a request and why",
                "accounts",
                {200: ledger_shapes.Explanation},
                query=_EXPLAIN,
                problems=["REQUEST_INVALID", "ACCOUNT_NOT_FOUND", "FORBIDDEN"],
            )
        ),
    )
    async def explain_balance(request: Request[Any, Any, Any], account_id: FromPath[str]) -> Answer:
        await doorkeeper.admin(request)
        query = queries.Query(request, _EXPLAIN)
        position, request_id = query.position(queries.POSITION), query.text(queries.REQUEST_ID)
        if position and request_id:
            raise invalid("request_id", "only one of position and request_id is possible")
        question = ledger_pb2.ExplainBalanceRequest(
            account_id=names.account_id(account_id),
            at_position=position,
            request_id=request_id,
            page_size=pages.of(request).size,
        )
        found = await ledger.call(ledger.client.explain_balance, question, ASK_SECONDS)
        if not request_id:
            return answers.of(explanations.of_balance(account_id, found))
        limit_micros = 0
        # Only reservations may draw on the credit limit.
        if explanations.was_refused(found) and found.entries[0].reservation_id:
            then = await balance(ledger, account_id, position=found.entries[0].position)
            limit_micros = then.account.credit_limit_micros
        return answers.of(explanations.of_request(found, limit_micros))

    @get(
        "/v1/admin/ledger/totals",
        opt=opt(
            Operation(
                "What every book holds over all accounts; together zero",
                "ledger",
                {200: ledger_shapes.Totals},
                problems=["FORBIDDEN"],
            )
        ),
    )
    async def get_totals(request: Request[Any, Any, Any]) -> Answer:
        await doorkeeper.admin(request)
        found = await ledger.call(ledger.client.get_totals, ledger_pb2.GetTotalsRequest(), TOTALS_SECONDS)
        return answers.of(ledger_mapping.totals(found))

    return [explain_balance, get_totals]
