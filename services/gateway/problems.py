"""Refusals as RFC 9457 problem details: the one place that knows how a reason looks over HTTP."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from services.gateway import credits, rates
from services.gateway.idempotency import ReplayedRefusal
from services.gateway.rates import Rate, Standing
from services.runtime import clock
from services.runtime.errors import REASONS, Refusal

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:scrip:problem:"
RETRY_AFTER_SECONDS = 1
# What a problem says of itself; a refusal's metadata may not stand in their place.
_OWN_MEMBERS = frozenset(
    {"type", "title", "status", "detail", "instance", "reason", "errors", "trace_id", "violations"}
)
_INTEGERS = frozenset(
    {"limit", "actual", "version", "problems", "tools", "retry_after_seconds", "window_seconds", "burst"}
)
# Times, which refusals of the services give in microseconds since 1970.
_TIMES = frozenset({"expires_at", "not_after", "now"})
_MICROS = "_micros"
# What is said where the services' own sentence names microcredits.
_SENTENCES = {
    "INSUFFICIENT_CREDITS": "{required} credits are required; {available} are available and {reserved} reserved",
    "REFUND_EXCEEDS_CAPTURED": "refunding {requested} credits; {captured} were captured, {refunded} of them refunded",
    "CREDIT_LIMIT_BELOW_USED": "a credit limit of {requested} is below the {used} credits that are on credit now",
    "ACCOUNT_EXISTS": "account {account_id} is open with a credit limit of {credit_limit} credits, not {requested}",
    "ACCOUNT_NOT_EMPTY": "account {account_id} is not empty: {available} credits available, {scheduled} scheduled, "
    "{reserved} reserved, {owed} owed, {transit} in transit",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """An answer that says why a request was not done."""

    status: int
    headers: dict[str, str]
    body: bytes


def problem_type(reason: str) -> str:
    """The `type` of a reason: INSUFFICIENT_CREDITS is urn:scrip:problem:insufficient-credits."""
    return TYPE_PREFIX + reason.lower().replace("_", "-")


def title(reason: str) -> str:
    """The `title` of a reason: INSUFFICIENT_CREDITS is "Insufficient credits"."""
    return reason.replace("_", " ").capitalize()


def internal() -> Refusal:
    """What is said of anything unexpected: nothing but the trace id that every problem carries."""
    return Refusal("INTERNAL", "something failed here; the trace id finds it in the logs")


def of(refusal: Refusal, request_id: str, trace_id: str) -> Problem:
    """The problem of a refusal; amounts become decimal strings of credits."""
    if refusal.reason == "DEADLINE_EXCEEDED":
        # A peer that let its own deadline pass is to our caller one that does not answer.
        refusal = Refusal("UPSTREAM_UNAVAILABLE", "a part of Scrip does not answer; try again shortly")
    elif refusal.reason == "INTERNAL" or refusal.reason not in REASONS:
        refusal = internal()
    members = _members(refusal.metadata)
    body: dict[str, Any] = {
        "type": problem_type(refusal.reason),
        "title": title(refusal.reason),
        "status": refusal.http_status,
        "detail": _detail(refusal, members),
        "instance": request_id,
        "reason": refusal.reason,
        **members,
    }
    if refusal.http_status == 422 and refusal.violations:
        body["errors"] = [
            {"pointer": one.field, "keyword": one.keyword, "message": one.message} for one in refusal.violations
        ]
    body["trace_id"] = trace_id
    return Problem(refusal.http_status, _headers(refusal), msgspec.json.encode(body))


def _members(metadata: Mapping[str, str]) -> dict[str, str | int]:
    members: dict[str, str | int] = {}
    for name, value in metadata.items():
        if name.endswith(_MICROS) and value.removeprefix("-").isdecimal():
            members[name.removesuffix(_MICROS)] = credits.show(int(value))
        elif name in _TIMES and value.isdecimal():
            members[name] = _time(value)
        elif name not in _OWN_MEMBERS:
            members[name] = int(value) if name in _INTEGERS and value.isdecimal() else value
    return members


def _detail(refusal: Refusal, members: Mapping[str, str | int]) -> str:
    sentence = _SENTENCES.get(refusal.reason)
    with contextlib.suppress(KeyError):
        if sentence:
            return sentence.format_map(members)
    message = refusal.message
    for name in _TIMES & refusal.metadata.keys():
        message = message.replace(refusal.metadata[name], str(members[name]))
    return message


def _time(micros: str) -> str:
    try:
        return clock.from_us(int(micros)).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError):
        return micros


def _headers(refusal: Refusal) -> dict[str, str]:
    headers = {"Content-Type": MEDIA_TYPE}
    if refusal.reason == "UNAUTHENTICATED":
        headers["WWW-Authenticate"] = 'Bearer realm="scrip"'
    if refusal.http_status in (429, 503) or refusal.reason == "REQUEST_IN_FLIGHT":
        headers["Retry-After"] = refusal.metadata.get("retry_after_seconds", str(RETRY_AFTER_SECONDS))
    if "policy" in refusal.metadata:
        headers |= rates.headers([_used_up(refusal.metadata)])
    if refusal.reason in ("QUOTE_USED", "REQUEST_IN_FLIGHT") and "job_id" in refusal.metadata:
        headers["Location"] = f"/v1/jobs/{refusal.metadata['job_id']}"
    if "allow" in refusal.metadata:
        headers["Allow"] = refusal.metadata["allow"]
    if isinstance(refusal, ReplayedRefusal):
        headers["Idempotent-Replayed"] = "true"
    return headers


def _used_up(metadata: Mapping[str, str]) -> Standing:
    """The limit that RATE_LIMITED tells of."""
    rate = Rate(metadata["policy"], int(metadata["limit"]), int(metadata["window_seconds"]))
    return Standing(rate, 0, int(metadata["retry_after_seconds"]))
