"""Requests as they will be sent: a plan and what it may see → method, URL, headers and body. Pure.

Secrets are put in last, by `signed`, so that a request can be shown without them.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from services.executor.providers import sigv4
from services.executor.providers.files import File, plain
from services.executor.providers.plan import Auth, RequestPlan
from services.runtime import clock, templates
from services.runtime.templates import ABSENT

# A part of a multipart body: field, value as text, or a file.
Part = tuple[str, str | File]


@dataclass(frozen=True, slots=True)
class Request:
    """One request. The body is `content`, or `parts` where it is sent as multipart/form-data."""

    method: str
    url: str
    headers: Mapping[str, str]
    query: tuple[tuple[str, str], ...] = ()
    content: bytes = b""
    parts: tuple[Part, ...] | None = None
    json: Any = field(default=None, compare=False)
    """The body before it was serialized, where it is JSON."""

    @property
    def target(self) -> str:
        """The URL with its query."""
        if not self.query:
            return self.url
        return f"{self.url}{'&' if '?' in self.url else '?'}{urlencode(self.query, quote_via=quote)}"


def rendered(plan: RequestPlan, context: Mapping[str, Any]) -> Request:
    """The request without its secret; raises ExpressionError."""
    headers = {name.lower(): templates.text(value, context) for name, value in plan.headers.items()}
    headers = {name: value for name, value in headers.items() if value}
    url = _url(plan.url, context)
    request = Request(plan.method, url, headers, tuple(_pairs(templates.render(plan.query, context))))
    if not plan.kind:
        return request
    body = templates.render(plan.body, context)
    match plan.kind:
        case "json":
            body = {} if body is ABSENT else plain(body, "base64")
            headers.setdefault("content-type", "application/json")
            content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
            return replace(request, content=content, json=body)
        case "form":
            headers.setdefault("content-type", "application/x-www-form-urlencoded")
            return replace(request, content=urlencode(list(_pairs(body))).encode())
        case "multipart":
            return replace(request, parts=tuple(_parts(body)))
        case _:
            headers.setdefault("content-type", body["media_type"] if isinstance(body, File) else "text/plain")
            return replace(request, content=body.data if isinstance(body, File) else str(body).encode())


def signed(request: Request, auth: Auth | None, secret: str, at: datetime | None = None) -> Request:
    """The request with its secret, or signed with it, now or `at` a time."""
    if auth is None:
        return request
    value = auth.prefix + secret
    match auth.place:
        case "query":
            return replace(request, query=(*request.query, (auth.name, value)))
        case "basic":
            # A secret without a colon is the user's name.
            pair = value if ":" in value else f"{value}:"
            value = f"Basic {base64.b64encode(pair.encode()).decode()}"
            return replace(request, headers={**request.headers, "authorization": value})
        case "sigv4":
            place = (auth.region, auth.service)
            headers = sigv4.headers_of(
                request.method, request.target, request.headers, request.content, value, place, at or clock.now()
            )
            return replace(request, headers=headers)
        case "bearer":
            return replace(request, headers={**request.headers, "authorization": f"Bearer {value}"})
        case _:
            return replace(request, headers={**request.headers, auth.name.lower(): value})


def _url(template: str, context: Mapping[str, Any]) -> str:
    """One that is nothing but an expression came from the provider and is checked by whoever calls it; in others, what
    is put in stays within its part of the path."""
    found = templates.parts(template)
    if len(found) == 1 and found[0][0]:
        return templates.text(template, context)
    return templates.text(template, context, escape=lambda value: quote(value, safe=""))


def _pairs(members: Any) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, value in members.items():
        pairs += [(name, _word(item)) for item in (value if isinstance(value, list) else [value])]
    return pairs


def _parts(members: Mapping[str, Any]) -> list[Part]:
    parts: list[Part] = []
    for name, value in members.items():
        items = value if isinstance(value, list) else [value]
        parts += [(name, item if isinstance(item, File) else _word(item)) for item in items]
    return parts


def _word(value: Any) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case _:
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
