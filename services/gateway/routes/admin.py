"""What operators do: accounts, grants, keys, and the tools' switches."""

import asyncio
import hashlib
from typing import Any

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp
from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler
from scrip.catalog.v1 import catalog_pb2
from scrip.ledger.v1 import ledger_pb2

from services.gateway import answers, bodies, credits, idempotency, mapping, names, pages, shapes
from services.gateway.accounts import AccountStore, OpenedAccount
from services.gateway.answers import Answer
from services.gateway.auth import Caller, Doorkeeper
from services.gateway.keys import KeyStore
from services.gateway.openapi import Operation, opt
from services.gateway.peers import Catalog, Ledger
from services.gateway.routes.account import balance
from services.runtime import ids
from services.runtime.errors import Refusal, invalid

TAG = "admin"
COMMAND_SECONDS = 5.0
_ACCOUNT_BODY = msgspec.json.Decoder(shapes.AccountBody)
_GRANT_BODY = msgspec.json.Decoder(shapes.GrantBody)
_KEY_BODY = msgspec.json.Decoder(shapes.KeyBody)
_REPLAYED = {"Idempotent-Replayed": "true"}
_REPLAYED_HEADER = {"Idempotent-Replayed": "`true`: an earlier request with this Idempotency-Key did it."}


def _request_id(request: Request[Any, Any, Any]) -> str:
    """The ledger's id of a command that an Idempotency-Key may name."""
    return idempotency.parse_key(request.headers.get("idempotency-key")) or ids.uuid7()


def _grant_request(
    body: shapes.GrantBody, account_id: str, idempotency_key: str, caller: Caller
) -> ledger_pb2.GrantCreditsRequest:
    try:
        amount_micros = credits.parse(body.credits)
    except ValueError as error:
        raise invalid("credits", str(error)) from None
    expires_at: Timestamp | None = None
    if body.expires_at:
        expires_at = Timestamp()
        expires_at.FromDatetime(body.expires_at)
    paid: ledger_pb2.Paid | None = None
    if body.paid:
        paid = ledger_pb2.Paid(amount_micros=body.paid.amount_micros, currency=body.paid.currency)
    return ledger_pb2.GrantCreditsRequest(
        request_id="grant-" + hashlib.sha256(idempotency_key.encode()).hexdigest()[:40],
        account_id=account_id,
        amount_micros=amount_micros,
        source=mapping.SOURCES[body.source],
        priority=body.priority,
        expires_at=expires_at,
        paid=paid,
        subject=ledger_pb2.Subject(reference=body.reference, key_id=caller.key_id),
    )


def account_handlers(doorkeeper: Doorkeeper, ledger: Ledger, accounts: AccountStore) -> list[HTTPRouteHandler]:
    """The routes of accounts and their grants."""

    @post(
        "/v1/admin/accounts",
        opt=opt(
            Operation(
                "Open an account",
                TAG,
                {201: shapes.Account, 200: shapes.Account},
                body=shapes.AccountBody,
                body_example={"account_id": "acme"},
                problems=["REQUEST_INVALID", "FORBIDDEN", "REQUEST_ID_REUSED"],
                headers=["Idempotency-Key"],
            )
        ),
    )
    async def open_account(request: Request[Any, Any, Any]) -> Answer:
        caller = await doorkeeper.admin(request)
        body = bodies.decode(_ACCOUNT_BODY, await bodies.read(request.receive))
        command = ledger_pb2.OpenAccountRequest(
            request_id=_request_id(request),
            account_id=body.account_id or "",
            subject=ledger_pb2.Subject(key_id=caller.key_id),
        )
        opened = await ledger.peer.call(ledger.stub.OpenAccount, command, COMMAND_SECONDS)
        account = mapping.account(await balance(ledger, opened.account.account_id))
        await accounts.remember(OpenedAccount(account.account_id, account.created_at))
        return answers.of(account, 200 if opened.replayed else 201)

    @get(
        "/v1/admin/accounts",
        opt=opt(
            Operation(
                "List the accounts opened through this API, newest first",
                TAG,
                {200: shapes.Accounts},
                paged=True,
                problems=["REQUEST_INVALID", "FORBIDDEN"],
            )
        ),
    )
    async def list_accounts(request: Request[Any, Any, Any]) -> Answer:
        await doorkeeper.admin(request)
        found, next_page_token = await accounts.page(pages.of(request))
        balances = await asyncio.gather(*(balance(ledger, account_id) for account_id in found))
        return answers.of(shapes.Accounts([mapping.account(one) for one in balances], next_page_token))

    @get(
        "/v1/admin/accounts/{account_id:str}",
        opt=opt(
            Operation(
                "An account, its credits and grants",
                TAG,
                {200: shapes.Account},
                problems=["ACCOUNT_NOT_FOUND", "FORBIDDEN"],
            )
        ),
    )
    async def get_any_account(request: Request[Any, Any, Any], account_id: str) -> Answer:
        await doorkeeper.admin(request)
        return answers.of(mapping.account(await balance(ledger, names.account_id(account_id))))

    @post(
        "/v1/admin/accounts/{account_id:str}/grants",
        opt=opt(
            Operation(
                "Grant credits to an account",
                TAG,
                {201: shapes.Grant},
                body=shapes.GrantBody,
                body_example={
                    "credits": "100",
                    "source": "purchase",
                    "paid": {"amount_micros": 9990000, "currency": "EUR"},
                },
                problems=[
                    *("REQUEST_INVALID", "IDEMPOTENCY_KEY_REQUIRED", "REQUEST_ID_REUSED"),
                    *("ACCOUNT_NOT_FOUND", "ACCOUNT_CLOSED", "FORBIDDEN"),
                ],
                headers_required=["Idempotency-Key"],
                answer_headers=_REPLAYED_HEADER,
            )
        ),
    )
    async def grant_credits(request: Request[Any, Any, Any], account_id: str) -> Answer:
        caller = await doorkeeper.admin(request)
        key = idempotency.parse_key(request.headers.get("idempotency-key"))
        if key is None:
            raise Refusal("IDEMPOTENCY_KEY_REQUIRED", "what moves money needs an Idempotency-Key header")
        body = bodies.decode(_GRANT_BODY, await bodies.read(request.receive))
        command = _grant_request(body, names.account_id(account_id), key, caller)
        granted = await ledger.peer.call(ledger.stub.GrantCredits, command, COMMAND_SECONDS)
        return answers.of(mapping.grant(granted.grant), 201, _REPLAYED if granted.replayed else None)

    @get(
        "/v1/admin/accounts/{account_id:str}/grants",
        opt=opt(
            Operation(
                "An account's live grants in the order they are spent",
                TAG,
                {200: shapes.Grants},
                problems=["ACCOUNT_NOT_FOUND", "FORBIDDEN"],
            )
        ),
    )
    async def list_grants(request: Request[Any, Any, Any], account_id: str) -> Answer:
        await doorkeeper.admin(request)
        found = await balance(ledger, names.account_id(account_id))
        return answers.of(shapes.Grants([mapping.grant(one) for one in found.grants], ""))

    return [open_account, list_accounts, get_any_account, grant_credits, list_grants]


def key_handlers(doorkeeper: Doorkeeper, ledger: Ledger, keys: KeyStore) -> list[HTTPRouteHandler]:
    """The routes of accounts' API keys."""

    @post(
        "/v1/admin/accounts/{account_id:str}/keys",
        opt=opt(
            Operation(
                "Make an API key for an account; it is shown this once",
                TAG,
                {201: shapes.NewKey},
                body=shapes.KeyBody,
                body_example={"name": "backend"},
                problems=["REQUEST_INVALID", "REQUEST_ID_REUSED", "ACCOUNT_NOT_FOUND", "FORBIDDEN"],
                headers=["Idempotency-Key"],
                answer_headers=_REPLAYED_HEADER,
            )
        ),
    )
    async def make_key(request: Request[Any, Any, Any], account_id: str) -> Answer:
        await doorkeeper.admin(request)
        key = idempotency.parse_key(request.headers.get("idempotency-key"))
        body = bodies.decode(_KEY_BODY, await bodies.read(request.receive))
        found = await balance(ledger, names.account_id(account_id))
        made = await keys.make(found.account.account_id, body.name, key)
        return answers.of(mapping.new_key(made.key, made.text), 201, None if made.text else _REPLAYED)

    @get(
        "/v1/admin/accounts/{account_id:str}/keys",
        opt=opt(
            Operation(
                "List an account's API keys, newest first",
                TAG,
                {200: shapes.Keys},
                paged=True,
                problems=["REQUEST_INVALID", "ACCOUNT_NOT_FOUND", "FORBIDDEN"],
            )
        ),
    )
    async def list_keys(request: Request[Any, Any, Any], account_id: str) -> Answer:
        await doorkeeper.admin(request)
        page = pages.of(request)
        account = await balance(ledger, names.account_id(account_id))
        found, next_page_token = await keys.of_account(account.account.account_id, page)
        return answers.of(shapes.Keys([mapping.key(one) for one in found], next_page_token))

    return [make_key, list_keys]


def tool_handlers(doorkeeper: Doorkeeper, catalog: Catalog) -> list[HTTPRouteHandler]:
    """The routes of the tools' switches."""
    problems = ["TOOL_NOT_FOUND", "FORBIDDEN"]

    @post(
        "/v1/admin/tools/{slug:str}/enable",
        opt=opt(Operation("Let a tool be executed", TAG, {200: shapes.Tool}, problems=problems)),
    )
    async def enable_tool(request: Request[Any, Any, Any], slug: str) -> Answer:
        await doorkeeper.admin(request)
        command = catalog_pb2.EnableToolRequest(slug=names.slug(slug), request_id=_request_id(request))
        response = await catalog.peer.call(catalog.stub.EnableTool, command, COMMAND_SECONDS)
        return answers.of(mapping.tool(response.tool))

    @post(
        "/v1/admin/tools/{slug:str}/disable",
        opt=opt(Operation("Stop a tool from being executed", TAG, {200: shapes.Tool}, problems=problems)),
    )
    async def disable_tool(request: Request[Any, Any, Any], slug: str) -> Answer:
        await doorkeeper.admin(request)
        command = catalog_pb2.DisableToolRequest(slug=names.slug(slug), request_id=_request_id(request))
        response = await catalog.peer.call(catalog.stub.DisableTool, command, COMMAND_SECONDS)
        return answers.of(mapping.tool(response.tool))

    return [enable_tool, disable_tool]
