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
from services.executor.providers.sendable import (
    UnsendableError,
    check_headers,
    check_url,
    check_value,
    looks_at_input,
)
from services.runtime import clock, templates
from services.runtime.templates import ABSENT

# A part of a multipart body: field, value as text, or a file.
Part = tuple[str, str | File]
# Before each value that is put into a URL, while that is looked at.
_PUT_IN = "\0"
# Parts of a path that lead out of it, or that it is read without.
_NO_PARTS = frozenset({"", ".", ".."})


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
    """The request without its secret; raises ExpressionError, UnsendableError."""
    try:
        request = _with_body(_head(plan, context), plan, context)
        _check(request, plan)
    except UnicodeError as error:
        text = "the request would have text that is no Unicode"
        templated = [plan.url, plan.query, plan.headers, plan.body]
        raise UnsendableError(text, of_input=looks_at_input(templated)) from error
    return request


def _check(request: Request, plan: RequestPlan) -> None:
    of_input = {name.lower() for name, value in plan.headers.items() if looks_at_input(value)}
    body_of_input = looks_at_input(plan.body)
    if body_of_input and "content-type" not in {name.lower() for name in plan.headers}:
        of_input.add("content-type")
    check_headers(request.headers, of_input)
    for name, value in request.parts or ():
        if isinstance(value, File):
            check_value(value["media_type"], f"the media type of {name}", of_input=body_of_input)
    check_url(request.target, of_input=looks_at_input([plan.url, plan.query]))


def _head(plan: RequestPlan, context: Mapping[str, Any]) -> Request:
    # What is blank around a value is no part of it.
    headers = {name.lower(): templates.text(value, context).strip(" \t") for name, value in plan.headers.items()}
    headers = {name: value for name, value in headers.items() if value}
    url = _url(plan.url, context)
    return Request(plan.method, url, headers, tuple(_pairs(templates.render(plan.query, context))))


def _with_body(request: Request, plan: RequestPlan, context: Mapping[str, Any]) -> Request:
    if not plan.kind:
        return request
    headers = dict(request.headers)
    body = templates.render(plan.body, context)
    match plan.kind:
        case "json":
            body = {} if body is ABSENT else plain(body, "base64")
            headers.setdefault("content-type", "application/json")
            return replace(request, headers=headers, content=_encoded(body, plan), json=body)
        case "form":
            headers.setdefault("content-type", "application/x-www-form-urlencoded")
            return replace(request, headers=headers, content=urlencode(list(_pairs(body))).encode())
        case "multipart":
            return replace(request, parts=tuple(_parts(body)))
        case _:
            headers.setdefault("content-type", body["media_type"] if isinstance(body, File) else "text/plain")
            content = body.data if isinstance(body, File) else str(body).encode()
            return replace(request, headers=headers, content=content)


def signed(request: Request, auth: Auth | None, secret: str, at: datetime | None = None) -> Request:
    """The request with its secret, or signed with it, now or `at` a time; raises UnsendableError."""
    request = _signed(request, auth, secret, at)
    check_headers(request.headers)
    return request


def _signed(request: Request, auth: Auth | None, secret: str, at: datetime | None) -> Request:
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
    is put in stays within its part of the path. Raises UnsendableError where it cannot."""
    found = templates.parts(template)
    if len(found) == 1 and found[0][0]:
        return templates.text(template, context)
    marked = templates.text(template, context, escape=lambda value: _PUT_IN + quote(value, safe=""))
    path = marked.partition("?")[0].partition("#")[0]
    for part in path.split("/"):
        if _PUT_IN in part and part.replace(_PUT_IN, "") in _NO_PARTS:
            text = "what is put into the path of the URL would be empty, . or .."
            raise UnsendableError(text, of_input=looks_at_input(template))
    return marked.replace(_PUT_IN, "")


def _encoded(body: Any, plan: RequestPlan) -> bytes:
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeError:
        raise
    except ValueError as error:
        text = "the body would have a number that JSON does not have"
        raise UnsendableError(text, of_input=looks_at_input(plan.body)) from error


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
