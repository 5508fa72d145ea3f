"""What surrounds every HTTP request: its ids, its trace, its count, and an answer whatever happens inside."""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from services.gateway import bodies, problems
from services.runtime import clock, ids, logs, metrics, tracing

log = logs.get("http")

LINGER_SECONDS = 5.0
LINGER_BYTES_MAX = 32 * 1024 * 1024
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
        unread = _is_long(headers)

        async def read() -> Message:
            nonlocal unread
            message = await receive()
            unread = unread and bool(message.get("more_body"))
            return message

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", request_id.encode()),
                    (b"traceparent", tracing.traceparent().encode()),
                    *([(b"connection", b"close")] if unread else []),
                ]
            if unread and message["type"] == "http.response.body" and not message.get("more_body"):
                await send({**message, "more_body": True})
                await _linger(read)
                message = {"type": "http.response.body"}
            await send(message)

        try:
            await self._app(scope, read, answer)
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


async def _linger(read: Receive) -> None:
    """Takes a little more of a body that nobody wants: an answer would be lost to a client whose connection ends while
    it is sending."""
    taken = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while taken < LINGER_BYTES_MAX:
                message = await read()
                if not message.get("more_body"):
                    return
                taken += len(message.get("body", b""))


def _is_long(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the body may be longer than what is taken off the wire for the sake of the connection."""
    declared = bodies.declared_bytes({"content-length": headers.get(b"content-length", b"").decode("latin-1")})
    return b"transfer-encoding" in headers or (declared or 0) > bodies.BODY_BYTES_MAX
