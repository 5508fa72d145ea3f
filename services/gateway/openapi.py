"""`/openapi.json`: built from the handlers that are there and the shapes they take and give, so it cannot drift."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler

from services.gateway import pages, problems, queries, shapes, waiting
from services.runtime.errors import REASONS

OPT = "operation"
_REF = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"\{([a-z_]+)(?::[a-z]+)?\}")
_EVERYWHERE = ("INTERNAL",)
STREAM_MEDIA_TYPE = "text/event-stream"
_STREAM = (
    "Events `accepted` and `progress` (a Job), `chunk` (`text`, and the `offset` in characters it belongs at) and "
    "`outcome`, a Job and always the last; ids are `<job>/<n>`."
)
_WITH_KEY = ("UNAUTHENTICATED", "UPSTREAM_UNAVAILABLE")
_FORM: dict[str, Any] = {
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "description": "The members of the JSON body as parts, and each file as a part named after its property.",
            "properties": {"input": {"type": "object"}, "labels": {"type": "object"}},
            "additionalProperties": {"type": "string"},
        }
    }
}
_ANY_BYTES: Mapping[str, Any] = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
_ANSWER_HEADERS = {
    "X-Request-Id": {"description": "Names this request in the logs.", "schema": {"type": "string"}},
    "traceparent": {"description": "W3C trace context of this request.", "schema": {"type": "string"}},
}
_HEADERS: Mapping[str, dict[str, Any]] = {
    "Idempotency-Key": {
        "description": "1 to 128 visible ASCII characters; a retry with the same one gets the same answer.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 128},
        "example": "0198c5a2-5f2b-7cc3-a3f1-6c1f2b8f7a10",
    },
    "Last-Event-ID": {
        "description": "The id of the last event that came before the connection was lost; events are counted on, and "
        "`accepted` and what was said come again. After the outcome's there is nothing: 204.",
        "schema": {"type": "string"},
    },
    "Prefer": {
        "description": f"`wait=N`: wait up to N seconds (0 to {waiting.SECONDS_MAX}) for the outcome; "
        f"without it {waiting.SECONDS_DEFAULT}. `respond-async`: do not wait.",
        "schema": {"type": "string"},
        "example": "wait=30",
    },
}


@dataclass(frozen=True)
class Operation:
    """What is said of one route; it stands in the handler's `opt`."""

    summary: str
    tag: str
    answers: Mapping[int, type[msgspec.Struct] | None]
    body: type[msgspec.Struct] | None = None
    body_example: Any = None
    body_required: bool = True
    body_form: bool = False
    body_bytes: bool = False
    answer_bytes: bool = False
    body_media_types: Sequence[str] = ("application/json",)
    problems: Sequence[str] = ()
    paged: bool = False
    query: Sequence[queries.Parameter] = ()
    headers: Sequence[str] = ()
    headers_required: Sequence[str] = ()
    answer_headers: Mapping[str, str] = field(default_factory=dict)
    public: bool = False
    streams: bool = False
    """Whether a good answer is, or may be, a text/event-stream."""


def opt(operation: Operation) -> dict[str, Any]:
    """The handler option that holds an operation."""
    return {OPT: operation}


def document(handlers: Iterable[HTTPRouteHandler], version: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of these handlers."""
    paths: dict[str, Any] = {}
    types: set[type[msgspec.Struct]] = {shapes.Problem}
    for handler in handlers:
        operation = handler.opt.get(OPT)
        if not isinstance(operation, Operation):
            continue
        types |= {shape for shape in (operation.body, *operation.answers.values()) if shape}
        for path in handler.paths:
            for method in sorted(handler.http_methods):
                shown = _PARAMETER.sub(r"{\1}", path)
                name = handler.fn.__name__
                paths.setdefault(shown, {})[str(method).lower()] = _operation(operation, name, path)
    _, schemas = msgspec.json.schema_components(sorted(types, key=lambda shape: shape.__name__), ref_template=_REF)
    schemas["Problem"]["additionalProperties"] = True
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Scrip",
            "version": version,
            "summary": "AI tools for credits.",
            "description": "Quote, execute, and see what it cost. Amounts are decimal strings of credits, times "
            "are RFC 3339 in UTC. What is not done is answered with problem details (RFC 9457) and a stable `reason`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"api_key": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "api_key": {"type": "http", "scheme": "bearer", "bearerFormat": "scrip_<role>_<id>_<secret>"}
            },
        },
    }


def _operation(operation: Operation, name: str, path: str) -> dict[str, Any]:
    reasons = [*operation.problems, *(() if operation.public else _WITH_KEY), *_EVERYWHERE]
    described: dict[str, Any] = {
        "operationId": name,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": _parameters(operation, path),
        "responses": {str(status): _answer(status, shape, operation) for status, shape in operation.answers.items()}
        | _problem_answers(reasons),
    }
    if operation.body:
        content: dict[str, Any] = {"schema": {"$ref": _REF.format(name=operation.body.__name__)}}
        if operation.body_example is not None:
            content["example"] = operation.body_example
        described["requestBody"] = {
            "required": operation.body_required,
            "content": dict.fromkeys(operation.body_media_types, content) | (_FORM if operation.body_form else {}),
        }
    if operation.body_bytes:
        described["requestBody"] = {"required": True, "content": _ANY_BYTES}
    if operation.public:
        described["security"] = []
    return described


def _parameters(operation: Operation, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(path)
    ]
    if operation.paged:
        found += [
            {"name": "page_size", "in": "query", "schema": pages.SIZE_SCHEMA},
            {
                "name": "page_token",
                "in": "query",
                "schema": pages.TOKEN_SCHEMA,
                "description": "From the answer before.",
            },
        ]
    found += [
        # A list is written with commas.
        {"name": one.name, "in": "query", "description": one.description, "schema": one.schema, "explode": False}
        for one in operation.query
    ]
    found += [
        {"name": name, "in": "header", "required": name in operation.headers_required, **_HEADERS[name]}
        for name in (*operation.headers, *operation.headers_required)
    ]
    return found


def _answer(status: int, shape: type[msgspec.Struct] | None, operation: Operation) -> dict[str, Any]:
    headers = dict(_ANSWER_HEADERS)
    headers |= {
        name: {"description": text, "schema": {"type": "string"}} for name, text in operation.answer_headers.items()
    }
    described: dict[str, Any] = {"description": _first_line(shape), "headers": headers}
    if operation.answer_bytes:
        described |= {"description": "The content.", "content": _ANY_BYTES}
    if shape:
        schema = {"$ref": _REF.format(name=shape.__name__)}
        described["content"] = {"application/json": {"schema": schema}}
    if operation.streams and status == 200:
        described.setdefault("content", {})[STREAM_MEDIA_TYPE] = {"schema": {"type": "string", "description": _STREAM}}
    return described


def _problem_answers(reasons: Iterable[str]) -> dict[str, Any]:
    by_status: dict[int, list[str]] = {}
    for reason in reasons:
        by_status.setdefault(REASONS[reason].http_status, []).append(reason)
    return {
        str(status): {
            "description": ", ".join(sorted(set(those))),
            "headers": _ANSWER_HEADERS,
            "content": {
                problems.MEDIA_TYPE: {
                    "schema": {"$ref": _REF.format(name="Problem")},
                    "examples": {reason: {"value": _problem_example(reason, status)} for reason in sorted(set(those))},
                }
            },
        }
        for status, those in sorted(by_status.items())
    }


def _problem_example(reason: str, status: int) -> dict[str, Any]:
    example: dict[str, Any] = {
        "type": problems.problem_type(reason),
        "title": problems.title(reason),
        "status": status,
        "detail": "a sentence for people",
        "instance": "0198c5a2-5f2b-7cc3-a3f1-6c1f2b8f7a10",
        "reason": reason,
    }
    if reason == "INSUFFICIENT_CREDITS":
        example |= {"required": "12.5", "available": "3", "reserved": "0"}
    if reason == "INPUT_INVALID":
        example["errors"] = [{"pointer": "/text", "keyword": "type", "message": "12 is not of type 'string'"}]
    return example | {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}


def _first_line(shape: type[msgspec.Struct] | None) -> str:
    return (shape.__doc__ or "").splitlines()[0] if shape else "Text."
