"""Where a command comes from: when, from whom, under which request id and about what, as its event will have it."""

from typing import Any, NamedTuple

from scrip.ledger.v1 import ledger_pb2

from services.ledger.domain.commands import Cause
from services.ledger.transport import validation as check
from services.runtime import clock, identity, tracing


class Arrival(NamedTuple):
    """When a call came in, in microseconds, from whom and under which trace: the same for all its commands."""

    at: int
    actor: str
    trace_id: str

    @classmethod
    def of_call(cls) -> "Arrival":
        """That of the call in hand."""
        return cls(clock.now_us(), identity.actor(), tracing.trace_id())


def origin(request: Any, arrival: Arrival, lasts: int = check.DAY) -> tuple[int, Cause]:
    """Until when a command may be applied, and the fields of its event that say where it comes from."""
    at, actor, trace_id = arrival
    not_after = check.not_after(request.not_after, at) if request.HasField("not_after") else at + lasts
    cause: Cause = {
        "request_id": check.visible("request_id", request.request_id),
        "remember_until": not_after,
        "actor": actor,
        "trace_id": trace_id,
    }
    if request.HasField("subject"):
        _add_subject(cause, request.subject)
    return not_after, cause


def _add_subject(cause: Cause, subject: ledger_pb2.Subject) -> None:
    """What there is of it; an event without a field is smaller and sooner made than one with an empty one."""
    if value := subject.reference:
        cause["reference"] = check.text("subject.reference", value)
    if value := subject.key_id:
        cause["key_id"] = check.text("subject.key_id", value, 64)
    if value := subject.tool:
        cause["tool"] = check.text("subject.tool", value, 64)
    if number := subject.tool_version:
        cause["tool_version"] = number
    if number := subject.price_version:
        cause["price_version"] = number
    if value := subject.trace_id:
        cause["trace_id"] = check.trace_id("subject.trace_id", value)
    if value := subject.provider_request_id:
        cause["provider_request_id"] = check.text("subject.provider_request_id", value)
    if cost := subject.provider_cost_micros:
        cause["provider_cost_micros"] = check.amount("subject.provider_cost_micros", cost, 0)
        cause["provider_cost_currency"] = check.currency(
            "subject.provider_cost_currency", subject.provider_cost_currency
        )
    if labels := subject.labels:
        cause["labels"] = check.labels(labels)
