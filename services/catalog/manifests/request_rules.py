"""What a request to a provider must be, to be sent as it is meant: its URL, its headers, and where the secret goes."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from services.catalog.manifests.http_run import AuthPart, HttpRun, RequestPart
from services.runtime import templates

Problem = tuple[str, str]
# RFC 9110: what a header's name is made of, and what of its value is the same everywhere.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
_URL = re.compile(r"[\x21-\x7e]*")
# They say where a message goes and where it ends, which is what the client says.
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection"})


def problems(run: HttpRun) -> Iterator[Problem]:
    """Every mistake, as path and text."""
    if run.auth:
        yield from _auth(run.auth)
    for where, request, is_first in _requests(run):
        yield from _url(request.url, f"{where}.url", is_first=is_first)
        for name, value in request.headers.items():
            yield from _header(name, f"{where}.headers.{name}")
            if not all(map(_VALUE.fullmatch, _fixed(value))):
                yield f"{where}.headers.{name}", "must be visible ASCII, spaces and tabs"


def _requests(run: HttpRun) -> Iterator[tuple[str, RequestPart, bool]]:
    """Where, each request, and whether it goes before all that a provider says."""
    yield "run.request", run.request, True
    if run.upload:
        yield "run.upload", run.upload, True
    if run.inspect:
        yield "run.inspect.request", run.inspect.request, True
    if run.poll:
        yield "run.poll.request", run.poll.request, False
    if run.result:
        yield "run.result", run.result, False
    if run.cancel:
        yield "run.cancel", run.cancel, False


def _auth(auth: AuthPart) -> Iterator[Problem]:
    if auth.place == "header":
        yield from _header(auth.name, "run.auth.name")
    elif not _TOKEN.fullmatch(auth.name):
        yield "run.auth.name", "must be letters, digits and signs, without spaces"
    if not _VALUE.fullmatch(auth.prefix):
        yield "run.auth.prefix", "must be visible ASCII, spaces and tabs"


def _header(name: str, where: str) -> Iterator[Problem]:
    if not _TOKEN.fullmatch(name):
        yield where, "is no name of a header: that is letters, digits and signs, without spaces"
    elif name.lower() in _OURS:
        yield where, f"{name} is not the manifest's to say"


def _url(url: str, where: str, is_first: bool) -> Iterator[Problem]:
    """https, to a host that the manifest alone decides; one that the provider gives is checked when it is called."""
    fixed = _fixed(url)
    if not is_first and url.startswith("${") and len(templates.parts(url)) == 1:
        return
    if not all(map(_URL.fullmatch, fixed)):
        yield where, "must be visible ASCII, without spaces"
    if any("#" in part for part in fixed):
        yield where, "must not have a fragment (#…), which is never sent"
    try:
        parts = urlsplit(url.partition("${")[0])
    except ValueError as error:
        yield where, f"is no URL: {error}"
        return
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or ":" in parts.netloc:
        yield where, "must begin with https:// and a host, without user or port"
    elif "${" in url and not parts.path:
        yield where, "must name its whole host before the first ${…}"


def _fixed(template: str) -> list[str]:
    """What of a template is the same in every call."""
    return [text for is_expression, text in templates.parts(template) if not is_expression]
