"""What surrounds every HTTP request: its ids, its trace, its count, and an answer whatever happens inside."""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from services.gateway import problems
from services.runtime import clock, ids, logs, metrics, tracing

log = logs.get("http")

REQUEST_ID_KEY = "scrip_request_id"
_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]


def request_id_of(scope: Any) -> str:
    """The id of the request in hand."""
    return str(scope.get(REQUEST_ID_KEY, ""))


class Door:
    """An ASGI application around another: X-Request-Id and traceparent on every answer, one count."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handles one request; anything but HTTP is closed."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1000})
            return
        started = clock.monotonic()
        headers = dict(scope["headers"])
        traceparent = headers.get(tracing.HEADER.encode(), b"").decode("latin-1")
        trace_id = tracing.begin(traceparent)
        given = headers.get(b"x-request-id", b"")
        request_id = given.decode() if _REQUEST_ID.fullmatch(given) else ids.uuid7()
        scope[REQUEST_ID_KEY] = request_id
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", request_id.encode()),
                    (b"traceparent", tracing.traceparent().encode()),
                ]
            await send(message)

        try:
            await self._app(scope, receive, answer)
        except Exception:
            log.exception("request_failed", path=scope["path"])
            if status:
                raise
            problem = problems.of(problems.internal(), request_id, trace_id)
            encoded = [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
            await answer({"type": "http.response.start", "status": problem.status, "headers": encoded})
            await answer({"type": "http.response.body", "body": problem.body})
        finally:
            seconds = clock.monotonic() - started
            method = f"{scope['method']} {scope.get('path_template', 'unknown')}"
            metrics.observe("http", method, str(status), seconds)
            log.debug("request", method=method, status=status, seconds=round(seconds, 6), request_id=request_id)
