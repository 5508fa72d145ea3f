"""Accounts, for operators: opened, listed, looked at, frozen, closed, and how far below zero they may go."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from scrip.ledger.v1 import ledger_pb2

from services.gateway import answers, bodies, commands, credits, ledger_mapping, ledger_shapes, names, pages
from services.gateway.accounts import AccountStore, OpenedAccount
from services.gateway.answers import Answer
from services.gateway.auth import Doorkeeper
from services.gateway.openapi import Operation, opt
from services.gateway.peers import Ledger
from services.gateway.routes.account import MOMENT, balance, balance_asked_for

TAG = "accounts"
PATH = "/v1/admin/accounts/{account_id:str}"
_ACCOUNT_BODY = msgspec.json.Decoder(ledger_shapes.AccountBody)
_WHY_BODY = msgspec.json.Decoder(ledger_shapes.WhyBody)
_CLOSE_BODY = msgspec.json.Decoder(ledger_shapes.CloseBody)
_LIMIT_BODY = msgspec.json.Decoder(ledger_shapes.LimitBody)
_DISPOSALS: Mapping[str | None, ledger_pb2.UpdateAccountRequest.Disposal] = {
    None: ledger_pb2.UpdateAccountRequest.DISPOSAL_UNSPECIFIED,
    "void": ledger_pb2.UpdateAccountRequest.DISPOSAL_VOID,
}


def handlers(doorkeeper: Doorkeeper, ledger: Ledger, accounts: AccountStore) -> list[HTTPRouteHandler]:
    """The routes of accounts that any account is asked about, and their list."""

    @post(
        "/v1/admin/accounts",
        opt=opt(
            Operation(
                "Open an account",
                TAG,
                {201: ledger_shapes.Account, 200: ledger_shapes.Account},
                body=ledger_shapes.AccountBody,
                body_example={"account_id": "acme"},
                problems=["REQUEST_INVALID", "FORBIDDEN", "REQUEST_ID_REUSED", "ACCOUNT_EXISTS"],
                headers=["Idempotency-Key"],
            )
        ),
    )
    async def open_account(request: Request[Any, Any, Any]) -> Answer:
        caller = await doorkeeper.admin(request)
        body = bodies.decode(_ACCOUNT_BODY, await bodies.read(request.receive))
        command = ledger_pb2.OpenAccountRequest(
            request_id=commands.request_id(request),
            account_id=body.account_id or "",
            credit_limit_micros=commands.micros("credit_limit", body.credit_limit, credits.parse_limit),
            subject=commands.subject(caller),
        )
        opened = await ledger.call(ledger.client.open_account, command, commands.SECONDS)
        account = ledger_mapping.account(await balance(ledger, opened.account.account_id))
        await accounts.remember(OpenedAccount(account.account_id, account.created_at))
        return answers.of(account, 200 if opened.replayed else 201)

    @get(
        "/v1/admin/accounts",
        opt=opt(
            Operation(
                "List the accounts opened through this API, newest first",
                TAG,
                {200: ledger_shapes.Accounts},
                paged=True,
                problems=["REQUEST_INVALID", "FORBIDDEN"],
            )
        ),
    )
    async def list_accounts(request: Request[Any, Any, Any]) -> Answer:
        await doorkeeper.admin(request)
        found, next_page_token = await accounts.page(pages.of(request))
        balances = await asyncio.gather(*(balance(ledger, account_id) for account_id in found))
        return answers.of(ledger_shapes.Accounts([ledger_mapping.account(one) for one in balances], next_page_token))

    @get(
        PATH,
        opt=opt(
            Operation(
                "An account, its credits and grants; now, at a time or at a position",
                TAG,
                {200: ledger_shapes.Account},
                query=MOMENT,
                problems=["REQUEST_INVALID", "ACCOUNT_NOT_FOUND", "FORBIDDEN"],
            )
        ),
    )
    async def get_any_account(request: Request[Any, Any, Any], account_id: FromPath[str]) -> Answer:
        await doorkeeper.admin(request)
        return await balance_asked_for(request, ledger, names.account_id(account_id))

    return [open_account, list_accounts, get_any_account]


def change_handlers(doorkeeper: Doorkeeper, ledger: Ledger) -> list[HTTPRouteHandler]:
    """The routes that change an account."""

    async def change(command: ledger_pb2.UpdateAccountRequest) -> Answer:
        changed = await ledger.call(ledger.client.update_account, command, commands.SECONDS)
        return commands.done(ledger_mapping.account(await balance(ledger, command.account_id)), changed)

    async def change_state(request: Request[Any, Any, Any], account_id: str, state: ledger_pb2.Account.State) -> Answer:
        caller = await doorkeeper.admin(request)
        body = bodies.decode(_WHY_BODY, await bodies.read(request.receive) or b"{}")
        command = ledger_pb2.UpdateAccountRequest(
            request_id=commands.request_id(request),
            account_id=names.account_id(account_id),
            state=state,
            reason=body.reason,
            subject=commands.subject(caller),
        )
        return await change(command)

    @post(
        f"{PATH}/freeze",
        opt=opt(_state_change("Freeze an account: nothing new can be reserved or sent, what is open can end")),
    )
    async def freeze_account(request: Request[Any, Any, Any], account_id: FromPath[str]) -> Answer:
        return await change_state(request, account_id, ledger_pb2.Account.STATE_FROZEN)

    @post(f"{PATH}/unfreeze", opt=opt(_state_change("Make a frozen account active again")))
    async def unfreeze_account(request: Request[Any, Any, Any], account_id: FromPath[str]) -> Answer:
        return await change_state(request, account_id, ledger_pb2.Account.STATE_ACTIVE)

    @post(
        f"{PATH}/close",
        opt=opt(
            Operation(
                "Close an account for ever; nothing may be reserved, owed or in transit",
                TAG,
                {200: ledger_shapes.Account},
                body=ledger_shapes.CloseBody,
                body_example={"reason": "contract ended", "disposal": "void"},
                problems=[*commands.PROBLEMS, "ACCOUNT_NOT_EMPTY"],
                headers_required=["Idempotency-Key"],
                answer_headers=commands.REPLAYED_HEADER,
            )
        ),
    )
    async def close_account(request: Request[Any, Any, Any], account_id: FromPath[str]) -> Answer:
        caller = await doorkeeper.admin(request)
        request_id = commands.required_request_id(request)
        body = bodies.decode(_CLOSE_BODY, await bodies.read(request.receive))
        command = ledger_pb2.UpdateAccountRequest(
            request_id=request_id,
            account_id=names.account_id(account_id),
            state=ledger_pb2.Account.STATE_CLOSED,
            disposal=_DISPOSALS[body.disposal],
            reason=body.reason,
            subject=commands.subject(caller),
        )
        return await change(command)

    @post(
        f"{PATH}/credit-limit",
        opt=opt(
            Operation(
                "Change how far below zero an account's available credits may go",
                TAG,
                {200: ledger_shapes.Account},
                body=ledger_shapes.LimitBody,
                body_example={"credit_limit": "100", "reason": "pays by invoice"},
                problems=[*commands.PROBLEMS, "CREDIT_LIMIT_BELOW_USED"],
                headers_required=["Idempotency-Key"],
                answer_headers=commands.REPLAYED_HEADER,
            )
        ),
    )
    async def change_credit_limit(request: Request[Any, Any, Any], account_id: FromPath[str]) -> Answer:
        caller = await doorkeeper.admin(request)
        request_id = commands.required_request_id(request)
        body = bodies.decode(_LIMIT_BODY, await bodies.read(request.receive))
        command = ledger_pb2.UpdateAccountRequest(
            request_id=request_id,
            account_id=names.account_id(account_id),
            credit_limit_micros=commands.micros("credit_limit", body.credit_limit, credits.parse_limit),
            reason=body.reason,
            subject=commands.subject(caller),
        )
        return await change(command)

    return [freeze_account, unfreeze_account, close_account, change_credit_limit]


def _state_change(summary: str) -> Operation:
    return Operation(
        summary,
        TAG,
        {200: ledger_shapes.Account},
        body=ledger_shapes.WhyBody,
        body_example={"reason": "under review"},
        body_required=False,
        problems=["REQUEST_INVALID", "REQUEST_ID_REUSED", "ACCOUNT_NOT_FOUND", "ACCOUNT_CLOSED", "FORBIDDEN"],
        headers=["Idempotency-Key"],
        answer_headers=commands.REPLAYED_HEADER,
    )
