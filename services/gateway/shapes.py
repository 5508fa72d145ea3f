"""The bodies of requests and answers, as JSON has them; those of the ledger are in `ledger_shapes`.

Amounts are decimal strings of credits, times RFC 3339 in UTC.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

# `$` also stands before a line feed at the end, which is not let pass.
CONTROL_FREE = r"^[^\x00-\x1f\x7f]*(?![\x00-\x1f\x7f])$"

Credits = Annotated[str, Meta(pattern=r"^-?[0-9]+(\.[0-9]{1,6})?$", description="Credits, a decimal string.")]
JsonObject = Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "object"})]
AccountId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Text = Annotated[str, Meta(max_length=128, pattern=CONTROL_FREE)]
LabelName = Annotated[str, Meta(min_length=1, max_length=64, pattern=CONTROL_FREE)]
Labels = Annotated[dict[LabelName, Text], Meta(max_length=8, description="The caller's own, at most 8 pairs.")]
Time = Annotated[datetime, Meta(tz=True)]
Reason = Annotated[str, Meta(min_length=1, max_length=128, pattern=CONTROL_FREE, description="Why, for people.")]
Charge = Literal["nothing", "base", "measured"]
Priority = Literal["interactive", "batch"]


class QuoteBody(msgspec.Struct, forbid_unknown_fields=True):
    """An input to be priced."""

    input: JsonObject


class ExecuteBody(msgspec.Struct, forbid_unknown_fields=True):
    """An input to be run, with or without a quote made before."""

    input: JsonObject
    quote_id: str | None = None
    reference: Text = ""
    labels: Labels = {}
    run_after: Annotated[Time | None, Meta(description="Not to begin before; at most 24 hours ahead.")] = None
    cancel_after: Annotated[Time | None, Meta(description="Canceled unless it ended; at most 30 days ahead.")] = None
    priority: Annotated[Priority | None, Meta(description="batch: nobody waits; so `respond-async` without it.")] = None


class KeyBody(msgspec.Struct, forbid_unknown_fields=True):
    """An API key to be made."""

    name: Annotated[str, Meta(min_length=1, max_length=100, pattern=CONTROL_FREE)]


class ChargingRules(msgspec.Struct):
    """What each ending of a job costs."""

    succeeded: Charge
    failed: Charge
    refused: Charge
    timed_out: Charge
    canceled: Charge
    unknown: Charge


class PriceTier(msgspec.Struct):
    """What the units of a call cost beyond so many."""

    above: int
    per_unit: Credits


class UnitRate(msgspec.Struct):
    """What `per` units of one kind cost, and otherwise beyond so many."""

    per_unit: Credits
    per: int
    tiers: list[PriceTier]


class Tariff(UnitRate):
    """`base` for each call and so much for its units, at least `minimum`; `rates` by unit where there are several."""

    base: Credits
    rates: dict[str, UnitRate]
    minimum: Credits


class PriceVariant(Tariff):
    """What a call costs instead for whose input `when` (JMESPath over `input`) is true."""

    when: str


class Price(Tariff):
    """What a call costs, as a manifest says it; the first of `variants` that fits takes the place of the rest. `cached`
    is for an output that is given again."""

    unit: str | None
    cached: Credits
    variants: list[PriceVariant]
    charging: ChargingRules


class Limits(msgspec.Struct):
    """What a tool takes at most; null: no limit."""

    input_bytes: int
    units: int | None
    timeout_ms: int
    rate_per_hour: int | None
    concurrency: int | None


class Deprecation(msgspec.Struct):
    """Why a tool should no longer be used; `successor` is the one to use instead, null: there is none."""

    successor: str | None
    note: str


class ScheduledPrice(msgspec.Struct):
    """A price that takes effect by itself."""

    price: Price
    effective_at: datetime


class Tool(msgspec.Struct):
    """A tool in its newest version; lists leave its documentation out."""

    slug: str
    name: str
    description: str
    category: str
    icon: str
    tags: list[str]
    version: int
    price_version: int
    price: Price
    limits: Limits
    input_schema: JsonObject
    output_schema: JsonObject
    examples: list[JsonObject]
    enabled: bool
    available: bool
    provider: str | None
    price_origin: Literal["manifest", "operator"]
    digest: str
    created_at: datetime
    unavailable_reason: str | UnsetType = UNSET
    secret: str | UnsetType = UNSET
    deprecated: Deprecation | UnsetType = UNSET
    scheduled_price: ScheduledPrice | UnsetType = UNSET
    documentation: str | UnsetType = UNSET


class Tools(msgspec.Struct):
    """A page of tools, by slug."""

    tools: list[Tool]
    next_page_token: str


class Quote(msgspec.Struct):
    """What a call costs, or at most costs where `exact` is false."""

    quote_id: str
    tool: str
    version: int
    price_version: int
    price: Price
    units: dict[str, int]
    exact: bool
    credits: Credits
    credits_max: Credits
    expires_at: datetime


class JobError(msgspec.Struct):
    """Why a job did not succeed."""

    reason: str
    message: str


class JobCredits(msgspec.Struct):
    """A job's cost: said before, held, spent; `settled` once the ledger has it."""

    quoted: Credits
    reserved: Credits
    captured: Credits
    settled: bool


class ProviderCall(msgspec.Struct):
    """What is known of the call of a provider: its own id of it, the status of its last answer, and what it says was
    used, by unit. Null: it did not say."""

    provider: str
    request_id: str | None
    status: int | None
    latency_ms: int
    usage: dict[str, int]


class Attempt(msgspec.Struct):
    """One call of a tool for a job; `ended_at` and `ending` are null while it is under way."""

    number: int
    started_at: datetime
    ended_at: datetime | None
    ending: str | None
    error_reason: str | UnsetType = UNSET
    provider_call: ProviderCall | UnsetType = UNSET


class Job(msgspec.Struct, kw_only=True):
    """One execution of a tool; `output` is null until it succeeds, and left out of lists. A file in it is a `data:`
    URL, or `file:<id>` where it has more than 64 KiB. At `content_expires_at`, told once the cost is settled, input,
    output and files are removed, and `output` is null again. `attempts` are told where one job is asked for, `cached`
    where its output was known from a job before."""

    job_id: str
    tool: str
    version: int
    price_version: int
    status: Literal["QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED", "INDETERMINATE"]
    output: JsonObject | UnsetType | None = UNSET
    error: JobError | UnsetType = UNSET
    credits: JobCredits
    units: dict[str, int]
    duration_ms: int | None
    created_at: datetime
    finished_at: datetime | None
    reference: str | UnsetType = UNSET
    labels: dict[str, str] | UnsetType = UNSET
    priority: Priority
    run_after: datetime | UnsetType = UNSET
    cancel_after: datetime | UnsetType = UNSET
    cancel_requested_at: datetime | UnsetType = UNSET
    content_expires_at: datetime | UnsetType = UNSET
    cached: bool | UnsetType = UNSET
    attempts: list[Attempt] | UnsetType = UNSET


class Chunk(msgspec.Struct):
    """A piece of what a tool says while it runs; its place is after `offset` characters (Unicode code points)."""

    text: str
    offset: int


class Jobs(msgspec.Struct):
    """A page of an account's jobs, newest first, without their outputs."""

    jobs: list[Job]
    next_page_token: str


class File(msgspec.Struct):
    """A file that inputs name as `file:<file_id>`; it is deleted at `expires_at`, unless a job needs it longer."""

    file_id: Annotated[str, Meta(pattern=r"^file_[a-z2-7]{26}$")]
    media_type: str
    name: str
    size_bytes: int
    digest: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the content, hex.")]
    created_at: datetime
    expires_at: datetime


class OperatorJob(Job, kw_only=True):
    """A job as operators see it; `indeterminate_at`: since when, or when, its outcome was not known; `inspections`: how
    often an executor had its turn to ask its provider about it then."""

    account_id: str
    indeterminate_at: datetime | UnsetType = UNSET
    provider_request_id: str | UnsetType = UNSET
    inspections: int | UnsetType = UNSET


class OperatorJobs(msgspec.Struct):
    """A page of jobs, newest first, without their outputs."""

    jobs: list[OperatorJob]
    next_page_token: str


class SettleBody(msgspec.Struct, forbid_unknown_fields=True):
    """How a job ended whose outcome is not known: at the price of `units`, else of those of its quote."""

    status: Literal["SUCCEEDED", "FAILED"]
    reason: Reason
    units: dict[str, Annotated[int, Meta(ge=0, le=2**53 - 1)]] = {}
    output: JsonObject = msgspec.field(default_factory=msgspec.Raw)


class Key(msgspec.Struct):
    """An API key without its secret."""

    key_id: str
    name: str
    role: Literal["user", "admin", "analyst"]
    account_id: str | None
    created_at: datetime


class NewKey(Key, kw_only=True):
    """An API key with its text, which is shown this once; null where this request was answered before."""

    key: str | None


class Keys(msgspec.Struct):
    """A page of an account's keys, newest first."""

    keys: list[Key]
    next_page_token: str


class Violation(msgspec.Struct):
    """One thing wrong with an input."""

    pointer: str
    keyword: str
    message: str


class Problem(msgspec.Struct, omit_defaults=True):
    """RFC 9457 problem details; a reason may add members of its own, such as a field or an amount."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    reason: str
    trace_id: str
    errors: list[Violation] = []


class Part(msgspec.Struct, omit_defaults=True):
    """How one part of the system is."""

    ready: bool
    detail: str = ""


class Readiness(msgspec.Struct):
    """How the whole system is. Degraded: it serves, but events wait to be published."""

    status: Literal["ready", "degraded", "unavailable"]
    parts: dict[str, Part]


class Health(msgspec.Struct):
    """The process answers."""

    status: Literal["ok"] = "ok"
