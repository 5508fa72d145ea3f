"""Execute a tool: the whole saga in one call."""

import contextlib
from collections.abc import Iterator
from typing import Any

import msgspec
from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from services.gateway import answers, bodies, idempotency, inputs, mapping, names, rates, shapes, sse, waiting
from services.gateway.auth import Doorkeeper, Payer
from services.gateway.keyed_saga import KeyedSaga
from services.gateway.openapi import Operation, opt
from services.gateway.outcomes import Outcomes
from services.gateway.routes.tools import INPUT_EXAMPLE, INPUT_PROBLEMS
from services.gateway.saga import Driven, Order, Saga
from services.gateway.sse import Streams
from services.gateway.tool_copies import ToolCopies
from services.runtime.errors import Refusal

IN_FLIGHT_MAX = 2_000
_BODY = msgspec.json.Decoder(shapes.ExecuteBody)
_PROBLEMS = (
    *INPUT_PROBLEMS,
    *("INSUFFICIENT_CREDITS", "ACCOUNT_NOT_FOUND", "ACCOUNT_FROZEN", "ACCOUNT_CLOSED", "RATE_LIMITED"),
    *("QUOTE_MALFORMED", "QUOTE_EXPIRED", "QUOTE_OTHER_INPUT", "QUOTE_OTHER_ACCOUNT", "QUOTE_USED"),
    *("REQUEST_ID_REUSED", "REQUEST_IN_FLIGHT"),
)
_ANSWER_HEADERS = {
    "Preference-Applied": "What of Prefer was done.",
    "Idempotent-Replayed": "`true`: the job of an earlier request with this Idempotency-Key.",
    "Location": "202: where the job is.",
    "RateLimit-Policy": "The limits this execution was counted against: `q` in `w` seconds.",
    "RateLimit": "What is left of each: `r` at once, all of it again in `t` seconds.",
}


class InFlight:
    """Counts the executes under way, and refuses more than the limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0

    @contextlib.contextmanager
    def one_more(self) -> Iterator[None]:
        """Counts one while the body runs; raises UPSTREAM_UNAVAILABLE at the limit."""
        if self._count >= self._limit:
            raise Refusal(
                "UPSTREAM_UNAVAILABLE",
                f"{self._limit} executes are under way here, which is the limit; try again shortly",
                {"dependency": "gateway", "limit": self._limit, "retry_after_seconds": 1},
            )
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1


class Executes:
    """Turns requests into orders and has them driven."""

    def __init__(self, copies: ToolCopies, saga: Saga, keyed: KeyedSaga) -> None:
        self._copies = copies
        self._saga = saga
        self._keyed = keyed

    async def start(self, request: Request[Any, Any, Any], payer: Payer, tool: str) -> Driven:
        """The job a request leads to; its input is not held in memory any longer than this."""
        key = idempotency.parse_key(request.headers.get("idempotency-key"))
        order = await self._order(await bodies.read(request.receive), payer, tool)
        if key is None:
            return await self._saga.start(order)
        fingerprint = idempotency.fingerprint(
            "POST", f"/v1/tools/{tool}/execute", await inputs.digest(order.input), order.quote_id, order.labels
        )
        return await self._keyed.start(order, key, fingerprint)

    async def _order(self, content: bytes, payer: Payer, tool: str) -> Order:
        body = bodies.decode(_BODY, content)
        if body.quote_id == "":
            raise Refusal("QUOTE_MALFORMED", "quote_id is empty")
        return Order(
            account_id=payer.account_id,
            key_id=payer.key_id,
            tool=tool,
            input=await inputs.prepare(body.input, lambda: self._copies.file_properties(tool)),
            quote_id=body.quote_id or "",
            reference=body.reference,
            labels=body.labels,
        )


def handlers(
    doorkeeper: Doorkeeper, executes: Executes, outcomes: Outcomes, streams: Streams
) -> list[HTTPRouteHandler]:
    """POST /v1/tools/{slug}/execute."""
    in_flight = InFlight(IN_FLIGHT_MAX)

    @post(
        "/v1/tools/{slug:str}/execute",
        opt=opt(
            Operation(
                "Run a tool",
                "tools",
                {200: shapes.Job, 202: shapes.Job},
                body=shapes.ExecuteBody,
                body_example=INPUT_EXAMPLE | {"reference": "order-1017", "labels": {"team": "search"}},
                problems=_PROBLEMS,
                headers=["Prefer", "Idempotency-Key"],
                answer_headers=_ANSWER_HEADERS,
                streams=True,
            )
        ),
    )
    async def execute_tool(request: Request[Any, Any, Any], slug: FromPath[str]) -> Response[Any]:
        payer = await doorkeeper.payer(request)
        is_streamed = sse.is_wanted(request.headers.get("accept"))
        preference = waiting.parse([] if is_streamed else request.headers.getall("prefer", []))
        if is_streamed:
            streams.check_room()
        with in_flight.one_more():
            driven = await executes.start(request, payer, names.slug(slug))
            job = driven.job if is_streamed else await outcomes.wait(driven.job, preference.seconds)
        headers = rates.headers(driven.standings)
        if preference.applied:
            headers["Preference-Applied"] = preference.applied
        if driven.replayed:
            headers["Idempotent-Replayed"] = "true"
        if is_streamed:
            return streams.execution(job, headers)
        if mapping.has_ended(job):
            return answers.of(mapping.job(job), headers=headers)
        return answers.of(mapping.job(job), 202, headers | {"Location": f"/v1/jobs/{job.job_id}"})

    return [execute_tool]
