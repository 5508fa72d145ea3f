"""The HTTP application: its routes, and how whatever goes wrong in one is answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from litestar import Litestar, Request, Response
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.types import ExceptionHandlersMap

from services.gateway import openapi, problems
from services.gateway.accounts import AccountStore
from services.gateway.auth import Doorkeeper
from services.gateway.departures import Departures
from services.gateway.door import Door, request_id_of
from services.gateway.executes import Executes
from services.gateway.files import Files
from services.gateway.keys import KeyStore
from services.gateway.live import LiveJobs
from services.gateway.outcomes import Outcomes
from services.gateway.peers import Peers
from services.gateway.readiness import SystemReadiness
from services.gateway.reading import Reading
from services.gateway.routes import (
    account,
    accounts,
    books,
    categories,
    corrections,
    execute,
    files,
    grants,
    hooks,
    jobs,
    keys,
    lists,
    ops,
    reconciliation,
    tool_changes,
    tools,
)
from services.gateway.saga import Saga
from services.gateway.sse import Streams
from services.gateway.tool_copies import ToolCopies
from services.runtime import logs, tracing
from services.runtime.broker import Broker
from services.runtime.errors import Refusal

log = logs.get("http")

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_REASONS = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "INPUT_TOO_LARGE"}


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes work with."""

    doorkeeper: Doorkeeper
    keys: KeyStore
    accounts: AccountStore
    peers: Peers
    broker: Broker
    copies: ToolCopies
    files: Files
    saga: Saga
    executes: Executes
    outcomes: Outcomes
    live: LiveJobs
    readiness: SystemReadiness


def create(parts: Parts) -> Door:
    """The application for a server."""
    doorkeeper = parts.doorkeeper
    reading = Reading(parts.copies, parts.files)
    streams = Streams(parts.live, Departures(parts.copies, parts.peers.executor))
    ledger = parts.peers.ledger
    pages = lists.Lists(ledger)
    asked_jobs = jobs.Jobs(parts.peers.executor)
    handlers = [
        *tools.handlers(doorkeeper, parts.copies, reading, parts.saga),
        *tools.version_handlers(doorkeeper, parts.peers.catalog),
        *categories.handlers(doorkeeper, parts.copies, parts.peers.catalog),
        *execute.handlers(doorkeeper, reading, parts.executes, parts.outcomes, streams),
        *files.handlers(doorkeeper, parts.files),
        *hooks.handlers(parts.broker),
        *jobs.handlers(doorkeeper, asked_jobs, streams),
        *jobs.any_handlers(doorkeeper, asked_jobs),
        *account.handlers(doorkeeper, ledger),
        *lists.own_handlers(doorkeeper, pages),
        *accounts.handlers(doorkeeper, ledger, parts.accounts),
        *accounts.change_handlers(doorkeeper, ledger),
        *lists.any_handlers(doorkeeper, pages),
        *grants.handlers(doorkeeper, ledger),
        *corrections.handlers(doorkeeper, ledger),
        *books.handlers(doorkeeper, ledger),
        *keys.handlers(doorkeeper, ledger, parts.keys),
        *tool_changes.handlers(doorkeeper, parts.peers.catalog),
        *tool_changes.price_handlers(doorkeeper, parts.peers.catalog),
        *reconciliation.handlers(doorkeeper, parts.peers.executor),
        *ops.handlers(parts.readiness),
    ]
    document = openapi.document(handlers, metadata.version("scrip"))
    return Door(assemble([*handlers, ops.document_handler(document)]))


def assemble(handlers: Sequence[HTTPRouteHandler]) -> Litestar:
    """Litestar with these routes, and problem details for everything that is refused or fails."""
    exception_handlers: ExceptionHandlersMap = {
        Refusal: _refused,
        HTTPException: _not_routed,
        Exception: _failed,
    }
    return Litestar(
        route_handlers=list(handlers),
        exception_handlers=exception_handlers,
        openapi_config=None,
        logging_config=None,
    )


def _refused(request: Request[Any, Any, Any], refusal: Refusal) -> Response[bytes]:
    if refusal.http_status >= 500:
        log.warning("refused", reason=refusal.reason, detail=refusal.message, metadata=refusal.metadata)
    problem = problems.of(refusal, request_id_of(request.scope), tracing.trace_id())
    return Response(problem.body, status_code=problem.status, headers=problem.headers, media_type=problems.MEDIA_TYPE)


def _not_routed(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """What Litestar itself refuses: no such path, no such method, a request that makes no sense."""
    if error.status_code >= 500:
        return _failed(request, error)
    reason = _REASONS.get(error.status_code, "REQUEST_INVALID")
    path = request.scope["path"]
    allow = ", ".join(_allowed(request.app, path)) if reason == "METHOD_NOT_ALLOWED" else ""
    if allow:
        return _refused(
            request, Refusal(reason, f"{request.method} is not possible here; {allow} is", {"allow": allow})
        )
    # What refuses every method is no path either, but the beginning of one.
    if reason in ("NOT_FOUND", "METHOD_NOT_ALLOWED"):
        return _refused(request, Refusal("NOT_FOUND", f"there is nothing at {path[:200]}"))
    return _refused(request, Refusal(reason, error.detail))


def _failed(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    log.error("request_failed", path=request.scope["path"], exc_info=error)
    return _refused(request, problems.internal())


def _allowed(app: Litestar, path: str) -> list[str]:
    """The methods of a path that refused one."""
    found: list[str] = []
    for method in _METHODS:
        try:
            app.asgi_router.handle_routing(path=path, method=method)
        except HTTPException:
            continue
        found.append(method)
    return found
