"""Where providers call back. What they say is not believed, and nobody is told whether anybody waits for it."""

import re
from typing import Any

from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from services.gateway import bodies
from services.gateway.openapi import Operation, opt
from services.runtime.broker import Broker
from services.runtime.errors import Refusal
from services.runtime.topology import HOOK_SUBJECT

TAG = "operations"
_TOKEN = re.compile(r"[a-z2-7]{32}")


def handlers(broker: Broker) -> list[HTTPRouteHandler]:
    """POST /v1/hooks/{token}."""

    @post(
        "/v1/hooks/{token:str}",
        status_code=204,
        opt=opt(
            Operation(
                "Where a provider says that its work may be done", TAG, {204: None}, problems=["NOT_FOUND"], public=True
            )
        ),
    )
    async def call_back(request: Request[Any, Any, Any], token: FromPath[str]) -> None:
        if not _TOKEN.fullmatch(token):
            raise Refusal("NOT_FOUND", "there is no such webhook")
        await bodies.read(request.receive)
        await broker.wake(HOOK_SUBJECT, token)

    return [call_back]
