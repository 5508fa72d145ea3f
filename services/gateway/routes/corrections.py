"""What operators put right: refunds, adjustments, and credits moved to another account."""

from typing import Any

import msgspec
from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec import UNSET
from scrip.ledger.v1 import events_pb2, ledger_pb2

from services.gateway import bodies, commands, credits, ledger_mapping, ledger_shapes, names
from services.gateway.answers import Answer
from services.gateway.auth import Doorkeeper
from services.gateway.openapi import Operation, opt
from services.gateway.peers import Ledger
from services.gateway.routes.account import ASK_SECONDS

TAG = "credits"
PATH = "/v1/admin/accounts/{account_id:str}"
_REFUND_BODY = msgspec.json.Decoder(ledger_shapes.RefundBody)
_ADJUSTMENT_BODY = msgspec.json.Decoder(ledger_shapes.AdjustmentBody)
_TRANSFER_BODY = msgspec.json.Decoder(ledger_shapes.TransferBody)


def handlers(doorkeeper: Doorkeeper, ledger: Ledger) -> list[HTTPRouteHandler]:
    """The routes of refunds, adjustments and transfers."""

    @post(
        f"{PATH}/refunds",
        opt=opt(
            Operation(
                "Give captured credits of a job back, all or a part",
                TAG,
                {201: ledger_shapes.Refund},
                body=ledger_shapes.RefundBody,
                body_example={"reservation_id": "job_1", "credits": "1.5", "reason": "pages were missing"},
                problems=[*commands.PROBLEMS, "RESERVATION_NOT_FOUND", "REFUND_EXCEEDS_CAPTURED"],
                headers_required=["Idempotency-Key"],
                answer_headers=commands.REPLAYED_HEADER,
            )
        ),
    )
    async def refund_capture(request: Request[Any, Any, Any], account_id: FromPath[str]) -> Answer:
        caller = await doorkeeper.admin(request)
        request_id = commands.required_request_id(request)
        body = bodies.decode(_REFUND_BODY, await bodies.read(request.receive))
        account = names.account_id(account_id)
        amount_micros = commands.micros("credits", body.credits)
        subject = commands.subject(caller)
        subject.MergeFrom(await _captured_for(ledger, account, body.reservation_id))
        command = ledger_pb2.RefundCaptureRequest(
            request_id=request_id,
            account_id=account,
            reservation_id=body.reservation_id,
            amount_micros=amount_micros,
            reason=body.reason,
            subject=subject,
        )
        refunded = await ledger.call(ledger.client.refund, command, commands.SECONDS)
        shape = ledger_shapes.Refund(
            account_id=account,
            reservation_id=body.reservation_id,
            credits=credits.show(refunded.amount_micros),
            refunded=credits.show(refunded.refunded_total_micros),
            position=refunded.position,
            grant_id=refunded.grant_id or UNSET,
        )
        return commands.done(shape, refunded, 201)

    @post(
        f"{PATH}/adjustments",
        opt=opt(
            Operation(
                "Add credits by hand, or take available ones",
                TAG,
                {201: ledger_shapes.Adjustment},
                body=ledger_shapes.AdjustmentBody,
                body_example={"credits": "-2.5", "reason": "granted twice"},
                problems=[*commands.PROBLEMS, "INSUFFICIENT_CREDITS", "TOO_MANY_GRANTS"],
                headers_required=["Idempotency-Key"],
                answer_headers=commands.REPLAYED_HEADER,
            )
        ),
    )
    async def adjust_balance(request: Request[Any, Any, Any], account_id: FromPath[str]) -> Answer:
        caller = await doorkeeper.admin(request)
        request_id = commands.required_request_id(request)
        body = bodies.decode(_ADJUSTMENT_BODY, await bodies.read(request.receive))
        command = ledger_pb2.AdjustBalanceRequest(
            request_id=request_id,
            account_id=names.account_id(account_id),
            amount_micros=commands.micros("credits", body.credits, credits.parse_signed),
            reason=body.reason,
            subject=commands.subject(caller),
        )
        adjusted = await ledger.call(ledger.client.adjust, command, commands.SECONDS)
        shape = ledger_shapes.Adjustment(
            account_id=command.account_id,
            credits=credits.show(command.amount_micros),
            available=credits.show(adjusted.available_after_micros),
            position=adjusted.position,
            grant_id=adjusted.grant_id or UNSET,
        )
        return commands.done(shape, adjusted, 201)

    @post(
        f"{PATH}/transfers",
        opt=opt(
            Operation(
                "Move available credits to another account; said again with its key, it tells how the transfer stands",
                TAG,
                {201: ledger_shapes.Transfer},
                body=ledger_shapes.TransferBody,
                body_example={"to_account_id": "acme-research", "credits": "25"},
                problems=[*commands.PROBLEMS, "INSUFFICIENT_CREDITS", "ACCOUNT_FROZEN"],
                headers_required=["Idempotency-Key"],
                answer_headers=commands.REPLAYED_HEADER,
            )
        ),
    )
    async def transfer_credits(request: Request[Any, Any, Any], account_id: FromPath[str]) -> Answer:
        caller = await doorkeeper.admin(request)
        request_id = commands.required_request_id(request)
        body = bodies.decode(_TRANSFER_BODY, await bodies.read(request.receive))
        command = ledger_pb2.TransferCreditsRequest(
            request_id=request_id,
            account_id=names.account_id(account_id),
            to_account_id=body.to_account_id,
            amount_micros=commands.micros("credits", body.credits),
            subject=commands.subject(caller, body.reference),
        )
        sent = await ledger.call(ledger.client.transfer, command, commands.SECONDS)
        return commands.done(ledger_mapping.transfer(sent.transfer), sent, 201)

    return [refund_capture, adjust_balance, transfer_credits]


async def _captured_for(ledger: Ledger, account_id: str, reservation_id: str) -> ledger_pb2.Subject:
    """What a reservation's capture was about, so that its refund is counted where the capture was."""
    question = ledger_pb2.ListEntriesRequest(
        account_id=account_id,
        reservation_id=reservation_id,
        kinds=[events_pb2.EVENT_KIND_RESERVATION_CAPTURED],
        page_size=1,
    )
    found = (await ledger.call(ledger.client.list_entries, question, ASK_SECONDS)).entries
    if not found:
        # Whether there is anything to refund is the ledger's to say.
        return ledger_pb2.Subject()
    captured = found[0].subject
    return ledger_pb2.Subject(
        reference=captured.reference,
        labels=captured.labels,
        tool=captured.tool,
        tool_version=captured.tool_version,
        price_version=captured.price_version,
    )
