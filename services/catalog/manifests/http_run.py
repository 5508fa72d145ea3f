"""A tool that is a call of a provider over HTTP.

Strings may hold `${expression}` (services/runtime/templates.py) over `input` and, in what follows an answer, `status`,
`headers`, `body`, `files` and `submitted` (the first answer of work that is waited for); `uploaded` is the answer to an
upload that goes before, `job` what the provider may be told of the job.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from services.catalog.manifests.part import Expression, OnDisconnect, Part
from services.runtime import templates

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Means = Literal["retry", "quota", "key", "input", "refused", "failed"]
Secret = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$", description="name of the secret")]
HOST = r"^(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"


def _template(value: Any) -> Any:
    templates.check(value)
    return value


Template = Annotated[Any, AfterValidator(_template)]
Text = Annotated[str, AfterValidator(_template)]


class AuthPart(Part):
    """Where the secret goes; `sigv4` signs each request with it, for a region and a service of AWS."""

    place: Literal["bearer", "header", "query", "basic", "sigv4"]
    secret: Secret
    name: str = Field(default="authorization", min_length=1, max_length=100, description="header or parameter")
    prefix: str = Field(default="", max_length=30, description="what stands before the secret, with its space")
    region: str = Field(default="", pattern=r"^[a-z0-9-]{0,40}$", description="for sigv4, such as us-east-1")
    service: str = Field(default="", pattern=r"^[a-z0-9-]{0,40}$", description="for sigv4, such as polly")

    @model_validator(mode="after")
    def _for_sigv4(self) -> "AuthPart":
        if (self.place == "sigv4") != bool(self.region and self.service):
            raise ValueError("region and service must be there for sigv4, and for nothing else")
        return self


class RequestPart(Part):
    """One request, with at most one body."""

    method: Method = "POST"
    url: Text
    headers: dict[str, Text] = Field(default={})
    query: dict[str, Template] = Field(default={})
    json_: Template = Field(default=None, alias="json")
    form: dict[str, Template] | None = None
    multipart: dict[str, Template] | None = None
    raw: Text | None = None

    @model_validator(mode="after")
    def _one_body(self) -> "RequestPart":
        if sum(body is not None for body in (self.json_, self.form, self.multipart, self.raw)) > 1:
            raise ValueError("must have one of json, form, multipart and raw at most")
        return self


class PollRequestPart(RequestPart):
    """One request, GET where it does not say otherwise."""

    method: Method = "GET"


class UsagePart(Part):
    """How many units were used so far, where the provider says so on the way."""

    input: Expression | Literal[""] = ""
    output: Expression | Literal[""] = ""


class StreamPart(Part):
    """How a stream of events is read as it comes: expressions over each event."""

    text: Expression = Field(description="the next piece of text; nothing where the event has none")
    done: Expression = Field(description="true: the text has come to its end; a stream without it was cut")
    failed: Expression | Literal[""] = Field(default="", description="true: it failed on the way")
    usage: UsagePart = UsagePart()


class ResponsePart(Part):
    """What an answer means."""

    read: Literal["json", "text", "binary", "sse", "ndjson"] = "json"
    stream: StreamPart | None = Field(default=None, description="how sse or ndjson is read as it comes")
    fetch: dict[str, Expression] = Field(default={}, description="files to download: name → expression for its URL")
    refused: Expression | Literal[""] = Field(default="", description="true: not taken, despite success")
    failed: Expression | Literal[""] = Field(default="", description="true: it failed, despite success")
    message: Expression | Literal[""] = Field(default="", description="the provider's sentence about that")
    output: Annotated[dict[str, Any], AfterValidator(_template)]


class PollPart(Part):
    """How work that was asked for is waited for."""

    request: PollRequestPart
    every_ms: int = Field(default=1_000, ge=100, le=60_000, description="milliseconds between two looks, at least")
    status: Expression
    done: list[str | bool | int] = Field(min_length=1)
    failed: list[str | bool | int]
    refused: list[str | bool | int] = Field(default=[])
    message: Expression | Literal[""] = ""


class InspectRequestPart(PollRequestPart):
    """One request that asks for no work."""

    method: Literal["GET", "POST"] = "GET"


class InspectPart(Part):
    """How work is found by the job's id, where the answer to the request for it never came."""

    request: InspectRequestPart
    absent: Expression | Literal[""] = Field(default="", description="true: the provider never began such work")
    work: Expression = Field(
        default="body", description="what the answer to the request was to be; null where that is not told yet"
    )
    under_way: Expression | Literal[""] = Field(
        default="", description="true of the work, as `body`: it is not done yet; where there is poll, that tells it"
    )


class ErrorPart(Part):
    """What an answer means for which `when` is true; the first that fits counts, before what its status would mean."""

    when: Expression
    means: Means
    message: Expression | Literal[""] = ""


class HttpRun(Part):
    """Calls a provider."""

    kind: Literal["http"]
    retry: Literal["safe", "unsafe"] = Field(description="whether a call that may have happened may happen again")
    auth: AuthPart | None = None
    hosts: list[Annotated[str, Field(pattern=HOST)]] = Field(
        default=[], max_length=20, description="hosts beside the request's own that the provider's URLs may name"
    )
    upload: RequestPart | None = Field(default=None, description="sent first; its answer is `uploaded`")
    request: RequestPart
    poll: PollPart | None = None
    result: PollRequestPart | None = Field(default=None, description="asked for when the work is done")
    cancel: RequestPart | None = Field(default=None, description="stops work that nobody waits for any more")
    inspect: InspectPart | None = Field(default=None, description="tells what became of work that may have been done")
    response: ResponsePart
    on_disconnect: OnDisconnect = "continue"
    errors: list[ErrorPart] = Field(default=[], max_length=20)
    request_id: Expression | Literal[""] = Field(default="", description="the provider's own id of the call")
