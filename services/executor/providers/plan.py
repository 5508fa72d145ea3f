"""How a provider is called: the `run` of a manifest of kind http, as the catalog hands it out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.executor.providers.hosts import host_of

# What an error of a provider means: to be tried again; our quota or key there; the caller's fault; content it does not
# take; its own failure.
CLASSES = ("retry", "quota", "key", "input", "refused", "failed")


@dataclass(frozen=True, slots=True)
class Auth:
    """Where the secret goes: a header (with a word before it), a query parameter, basic authentication, or a signature
    for a region and a service."""

    place: str
    secret: str
    name: str = "authorization"
    prefix: str = ""
    region: str = ""
    service: str = ""


@dataclass(frozen=True, slots=True)
class RequestPlan:
    """One request. `body` is a template; `kind` says how it is sent: json, form, multipart or raw; empty: no body."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    kind: str = ""
    body: Any = None


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """How a stream of events is read as it comes: expressions over each event."""

    text: str
    """The next piece of text."""
    done: str
    """Whether the text has come to its end; a stream that ends without it was cut."""
    failed: str = ""
    """Whether the provider says that it failed on the way."""
    usage: Mapping[str, str] = field(default_factory=dict)
    """How many units `input` and `output` used so far, where the provider says so on the way."""


@dataclass(frozen=True, slots=True)
class ResponsePlan:
    """What an answer means. All but `read` and `stream` are templates or expressions over `status`, `headers`, `body`,
    `input`, `files`, and `submitted` where the work was asked for by an earlier request."""

    output: Any
    read: str = "json"
    """json, text, binary, sse or ndjson."""
    fetch: Mapping[str, str] = field(default_factory=dict)
    """Files to download before the output is made: name → expression for one URL, or for several."""
    refused: str = ""
    """Expression: the provider did not take the content, though the status says success."""
    failed: str = ""
    """Expression: it failed, though the status says success."""
    message: str = ""
    """Expression for a sentence that says why."""
    stream: StreamPlan | None = None
    """Where the answer is read as it comes; templates and expressions see `text` and `stopped` as well, then."""


@dataclass(frozen=True, slots=True)
class PollPlan:
    """How work that was asked for is waited for: `status` is an expression over each answer."""

    request: RequestPlan
    status: str
    done: tuple[Any, ...]
    failed: tuple[Any, ...]
    refused: tuple[Any, ...] = ()
    message: str = ""
    every_ms: int = 1_000


@dataclass(frozen=True, slots=True)
class InspectPlan:
    """How work is found by what we gave when asking for it, where the answer to that never came. Of the expressions the
    first two look at the answer to `request`; the last sees as `body` the work that was found."""

    request: RequestPlan
    absent: str = ""
    """Whether the provider says that it never began it."""
    work: str = "body"
    """What it would have answered when it was asked for it."""
    under_way: str = ""
    """Whether it is still at it; where work is polled, that is what polling tells."""


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """An answer that is an error: what it means where the expression holds."""

    when: str
    means: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class HttpPlan:
    """All of it."""

    request: RequestPlan
    response: ResponsePlan
    auth: Auth | None = None
    upload: RequestPlan | None = None
    """Sent before the request for the work, which may name its answer as `uploaded`. Safe to repeat: it is no work."""
    hosts: tuple[str, ...] = ()
    """Hosts beside the request's own from which files may be downloaded; `*.example.com` for all below one."""
    poll: PollPlan | None = None
    result: RequestPlan | None = None
    """Asked for when the work is done, where its result is not in the last answer."""
    cancel: RequestPlan | None = None
    """Stops work under way that nobody waits for any more; a template over `submitted`."""
    inspect: InspectPlan | None = None
    """Tells what became of work of which nobody knows whether it was done."""
    errors: tuple[ErrorRule, ...] = ()
    request_id: str = ""
    """Expression for the provider's own id of the call."""

    @property
    def host(self) -> str:
        """Of the request; it holds no expression."""
        return host_of(self.request.url.partition("${")[0])


def plan_of(run: Mapping[str, Any]) -> HttpPlan:
    """The plan of a manifest's `run`, which the catalog has checked."""
    response, poll, auth = run["response"], run.get("poll"), run.get("auth")
    return HttpPlan(
        request=_request(run["request"]),
        response=_response(response),
        auth=Auth(**auth) if auth else None,
        upload=_request(run["upload"]) if run.get("upload") else None,
        hosts=tuple(run.get("hosts", ())),
        poll=_poll(poll) if poll else None,
        result=_request({"method": "GET", **run["result"]}) if run.get("result") else None,
        cancel=_request(run["cancel"]) if run.get("cancel") else None,
        inspect=_inspect(run["inspect"]) if run.get("inspect") else None,
        errors=tuple(ErrorRule(**rule) for rule in run.get("errors", ())),
        request_id=run.get("request_id", ""),
    )


def hosts_of(plan: HttpPlan) -> tuple[str, ...]:
    """The hosts that a URL may name which the provider gave."""
    return (*plan.hosts, host_of(plan.request.url.partition("${")[0]))


def _response(response: Mapping[str, Any]) -> ResponsePlan:
    stream = response.get("stream")
    return ResponsePlan(**{**response, "stream": StreamPlan(**stream) if stream else None})


def _request(request: Mapping[str, Any]) -> RequestPlan:
    kind = next((kind for kind in ("json", "form", "multipart", "raw") if request.get(kind) is not None), "")
    return RequestPlan(
        method=request.get("method", "POST"),
        url=request["url"],
        headers=request.get("headers", {}),
        query=request.get("query", {}),
        kind=kind,
        body=request.get(kind) if kind else None,
    )


def _poll(poll: Mapping[str, Any]) -> PollPlan:
    return PollPlan(
        request=_request({"method": "GET", **poll["request"]}),
        status=poll["status"],
        done=tuple(poll["done"]),
        failed=tuple(poll["failed"]),
        refused=tuple(poll.get("refused", ())),
        message=poll.get("message", ""),
        every_ms=poll.get("every_ms", 1_000),
    )


def _inspect(inspect: Mapping[str, Any]) -> InspectPlan:
    return InspectPlan(**{**inspect, "request": _request({"method": "GET", **inspect["request"]})})
