"""Accounts' API keys, for operators."""

from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from services.gateway import answers, bodies, commands, idempotency, mapping, names, pages, shapes
from services.gateway.answers import Answer
from services.gateway.auth import Doorkeeper
from services.gateway.keys import KeyStore
from services.gateway.openapi import Operation, opt
from services.gateway.peers import Ledger
from services.gateway.routes.account import balance

TAG = "keys"
_KEY_BODY = msgspec.json.Decoder(shapes.KeyBody)


def handlers(doorkeeper: Doorkeeper, ledger: Ledger, keys: KeyStore) -> list[HTTPRouteHandler]:
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
                answer_headers=commands.REPLAYED_HEADER,
            )
        ),
    )
    async def make_key(request: Request[Any, Any, Any], account_id: FromPath[str]) -> Answer:
        await doorkeeper.admin(request)
        key = idempotency.parse_key(request.headers.get("idempotency-key"))
        body = bodies.decode(_KEY_BODY, await bodies.read(request.receive))
        found = await balance(ledger, names.account_id(account_id))
        made = await keys.make(found.account.account_id, body.name, key)
        return answers.of(mapping.new_key(made.key, made.text), 201, None if made.text else commands.REPLAYED)

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
    async def list_keys(request: Request[Any, Any, Any], account_id: FromPath[str]) -> Answer:
        await doorkeeper.admin(request)
        page = pages.of(request)
        account = await balance(ledger, names.account_id(account_id))
        found, next_page_token = await keys.of_account(account.account.account_id, page)
        return answers.of(shapes.Keys([mapping.key(one) for one in found], next_page_token))

    return [make_key, list_keys]
