"""Credits that come in, and grants that are withdrawn."""

from typing import Any

import msgspec
from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from scrip.ledger.v1 import ledger_pb2

from services.gateway import bodies, commands, credits, ledger_mapping, ledger_shapes, names, times
from services.gateway.answers import Answer
from services.gateway.auth import Caller, Doorkeeper
from services.gateway.openapi import Operation, opt
from services.gateway.peers import Ledger

TAG = "credits"
PATH = "/v1/admin/accounts/{account_id:str}/grants"
_GRANT_BODY = msgspec.json.Decoder(ledger_shapes.GrantBody)
_WHY_BODY = msgspec.json.Decoder(ledger_shapes.WhyBody)


def handlers(doorkeeper: Doorkeeper, ledger: Ledger) -> list[HTTPRouteHandler]:
    """The routes that make and void grants."""

    @post(
        PATH,
        opt=opt(
            Operation(
                "Grant credits to an account, now or at a time ahead",
                TAG,
                {201: ledger_shapes.Grant},
                body=ledger_shapes.GrantBody,
                body_example={
                    "credits": "100",
                    "source": "purchase",
                    "paid": {"amount_micros": 9990000, "currency": "EUR"},
                },
                problems=[*commands.PROBLEMS, "TOO_MANY_GRANTS"],
                headers_required=["Idempotency-Key"],
                answer_headers=commands.REPLAYED_HEADER,
            )
        ),
    )
    async def grant_credits(request: Request[Any, Any, Any], account_id: FromPath[str]) -> Answer:
        caller = await doorkeeper.admin(request)
        request_id = commands.required_request_id(request)
        body = bodies.decode(_GRANT_BODY, await bodies.read(request.receive))
        command = _grant_request(body, names.account_id(account_id), request_id, caller)
        granted = await ledger.call(ledger.client.grant, command, commands.SECONDS)
        return commands.done(ledger_mapping.grant(granted.grant), granted, 201)

    @post(
        f"{PATH}/{{grant_id:str}}/void",
        opt=opt(
            Operation(
                "Withdraw what is left of a grant; what reservations return to it later is withdrawn too",
                TAG,
                {200: ledger_shapes.VoidedGrant},
                body=ledger_shapes.WhyBody,
                body_example={"reason": "charged back"},
                body_required=False,
                problems=[*commands.PROBLEMS, "GRANT_NOT_FOUND", "GRANT_ENDED"],
                headers_required=["Idempotency-Key"],
                answer_headers=commands.REPLAYED_HEADER,
            )
        ),
    )
    async def void_grant(request: Request[Any, Any, Any], account_id: FromPath[str], grant_id: FromPath[str]) -> Answer:
        caller = await doorkeeper.admin(request)
        request_id = commands.required_request_id(request)
        body = bodies.decode(_WHY_BODY, await bodies.read(request.receive) or b"{}")
        command = ledger_pb2.VoidGrantRequest(
            request_id=request_id,
            account_id=names.account_id(account_id),
            grant_id=names.grant_id(grant_id),
            reason=body.reason,
            subject=commands.subject(caller),
        )
        voided = await ledger.call(ledger.client.void_grant, command, commands.SECONDS)
        shape = ledger_shapes.VoidedGrant(ledger_mapping.grant(voided.grant), credits.show(voided.voided_micros))
        return commands.done(shape, voided)

    return [grant_credits, void_grant]


def _grant_request(
    body: ledger_shapes.GrantBody, account_id: str, request_id: str, caller: Caller
) -> ledger_pb2.GrantCreditsRequest:
    paid: ledger_pb2.Paid | None = None
    if body.paid:
        paid = ledger_pb2.Paid(amount_micros=body.paid.amount_micros, currency=body.paid.currency)
    return ledger_pb2.GrantCreditsRequest(
        request_id=request_id,
        account_id=account_id,
        amount_micros=commands.micros("credits", body.credits),
        source=ledger_mapping.SOURCES[body.source],
        priority=body.priority,
        effective_at=times.stamp("effective_at", body.effective_at) if body.effective_at else None,
        expires_at=times.stamp("expires_at", body.expires_at) if body.expires_at else None,
        paid=paid,
        subject=commands.subject(caller, body.reference),
    )
