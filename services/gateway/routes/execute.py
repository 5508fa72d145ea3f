"""Execute a tool: the whole saga in one call."""

from typing import Any

import msgspec
from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from services.gateway import answers, idempotency, mapping, names, rates, shapes, sse, timing, waiting
from services.gateway.auth import Doorkeeper, Payer
from services.gateway.executes import Executes
from services.gateway.openapi import Operation, opt
from services.gateway.outcomes import Outcomes
from services.gateway.reading import Reading
from services.gateway.routes.tools import INPUT_EXAMPLE, INPUT_PROBLEMS
from services.gateway.saga import Order
from services.gateway.sse import Streams
from services.runtime.errors import Refusal

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


async def _order(
    request: Request[Any, Any, Any], payer: Payer, tool: str, reading: Reading, respond_async: bool
) -> Order:
    body, given = await reading.read(request, payer, tool, _BODY, keep=True)
    if body.quote_id == "":
        raise Refusal("QUOTE_MALFORMED", "quote_id is empty")
    return Order(
        account_id=payer.account_id,
        key_id=payer.key_id,
        tool=tool,
        input=given,
        quote_id=body.quote_id or "",
        reference=body.reference,
        labels=body.labels,
        timing=timing.of(body.run_after, body.cancel_after, body.priority, respond_async),
    )


def handlers(
    doorkeeper: Doorkeeper, reading: Reading, executes: Executes, outcomes: Outcomes, streams: Streams
) -> list[HTTPRouteHandler]:
    """POST /v1/tools/{slug}/execute."""

    @post(
        "/v1/tools/{slug:str}/execute",
        opt=opt(
            Operation(
                "Run a tool",
                "tools",
                {200: shapes.Job, 202: shapes.Job},
                body=shapes.ExecuteBody,
                body_form=True,
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
        key = idempotency.parse_key(request.headers.get("idempotency-key"))
        tool = names.slug(slug)
        with executes.one_more():
            # Not named: the input is held in memory no longer than this.
            driven = await executes.start(await _order(request, payer, tool, reading, preference.is_async), key)
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
