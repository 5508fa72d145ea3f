"""How the gateway and the system are, and the API's description; no key is needed for these."""

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from services.gateway import answers, shapes
from services.gateway.answers import Answer
from services.gateway.openapi import Operation, opt
from services.gateway.readiness import SystemReadiness
from services.runtime import metrics

TAG = "operations"
METRICS_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def handlers(readiness: SystemReadiness) -> list[HTTPRouteHandler]:
    """The routes for operators."""

    @get("/healthz", opt=opt(Operation("Whether this process answers", TAG, {200: shapes.Health}, public=True)))
    async def get_health() -> Answer:
        return answers.of(shapes.Health())

    @get(
        "/readyz",
        opt=opt(
            Operation(
                "Whether the whole system can serve",
                TAG,
                {200: shapes.Readiness, 503: shapes.Readiness},
                public=True,
            )
        ),
    )
    async def get_readiness() -> Answer:
        found = await readiness.ask()
        return answers.of(found, 503 if found.status == "unavailable" else 200)

    @get("/metrics", opt=opt(Operation("Metrics in Prometheus' text format", TAG, {200: None}, public=True)))
    async def get_metrics() -> Answer:
        return Response(metrics.render(), media_type=METRICS_MEDIA_TYPE)

    return [get_health, get_readiness, get_metrics]


def document_handler(document: object) -> HTTPRouteHandler:
    """GET /openapi.json."""
    encoded = msgspec.json.encode(document)

    @get("/openapi.json")
    async def get_document() -> Answer:
        return Response(encoded, media_type="application/json")

    return get_document
