"""From the messages of the services to the shapes of the HTTP API; the only place that knows both."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp
from msgspec import UNSET, UnsetType
from scrip.catalog.v1 import catalog_pb2
from scrip.executor.v1 import executor_pb2
from scrip.ledger.v1 import events_pb2, ledger_pb2

from services.gateway import shapes
from services.gateway.credits import show
from services.gateway.keys import ApiKey

SOURCES: Mapping[str, events_pb2.GrantSource] = {
    "purchase": events_pb2.GRANT_SOURCE_PURCHASE,
    "promotion": events_pb2.GRANT_SOURCE_PROMOTION,
    "plan": events_pb2.GRANT_SOURCE_PLAN,
    "adjustment": events_pb2.GRANT_SOURCE_ADJUSTMENT,
    "refund": events_pb2.GRANT_SOURCE_REFUND,
    "transfer": events_pb2.GRANT_SOURCE_TRANSFER,
}
_SOURCE_WORDS: dict[int, str] = {number: word for word, number in SOURCES.items()}
# A statement's words are those of the analysts' view credit_movements.
_KINDS: dict[int, str] = {
    events_pb2.EVENT_KIND_ACCOUNT_OPENED: "opened",
    events_pb2.EVENT_KIND_CREDITS_GRANTED: "granted",
    events_pb2.EVENT_KIND_GRANT_EXPIRED: "grant_expired",
    events_pb2.EVENT_KIND_CREDITS_RESERVED: "reserved",
    events_pb2.EVENT_KIND_RESERVATION_EXTENDED: "extended",
    events_pb2.EVENT_KIND_RESERVATION_CAPTURED: "captured",
    events_pb2.EVENT_KIND_RESERVATION_RELEASED: "released",
    events_pb2.EVENT_KIND_RESERVATION_EXPIRED: "reservation_expired",
    events_pb2.EVENT_KIND_REQUEST_REFUSED: "refused",
}
_CHARGES: dict[int, shapes.Charge] = {
    catalog_pb2.CHARGE_NOTHING: "nothing",
    catalog_pb2.CHARGE_BASE: "base",
    catalog_pb2.CHARGE_MEASURED: "measured",
}
_JOB_STATES: dict[int, Any] = {
    number: name.removeprefix("STATE_") for name, number in executor_pb2.Job.State.items() if number
}
_ACCOUNT_STATES: dict[int, Any] = {
    number: name.removeprefix("STATE_") for name, number in ledger_pb2.Account.State.items() if number
}
_ENDED = frozenset({executor_pb2.Job.STATE_SUCCEEDED, executor_pb2.Job.STATE_FAILED, executor_pb2.Job.STATE_CANCELED})
_JOB_ID_PREFIX = "job_"


def has_ended(job: executor_pb2.Job) -> bool:
    """Whether the job has its outcome; one whose outcome is not known has not."""
    return job.state in _ENDED


def tool(message: catalog_pb2.Tool) -> shapes.Tool:
    """A tool."""
    reason: str | UnsetType = UNSET
    if not message.available:
        name = catalog_pb2.UnavailableReason.Name(message.unavailable_reason)
        reason = name.removeprefix("UNAVAILABLE_REASON_")
    return shapes.Tool(
        slug=message.slug,
        name=message.name,
        description=message.description,
        category=message.category,
        icon=message.icon,
        tags=list(message.tags),
        version=message.version,
        price_version=message.price_version,
        price=_price(message.price),
        limits=shapes.Limits(
            input_bytes=message.limits.input_bytes,
            units=message.limits.units or None,
            timeout_ms=message.limits.timeout_ms,
            rate_per_hour=message.limits.rate_per_hour or None,
        ),
        input_schema=_raw(message.input_schema_json),
        output_schema=_raw(message.output_schema_json),
        examples=[msgspec.Raw(example) for example in message.example_inputs_json],
        enabled=message.enabled,
        available=message.available,
        unavailable_reason=reason,
    )


def quote(message: catalog_pb2.Quote) -> shapes.Quote:
    """A quote."""
    return shapes.Quote(
        quote_id=message.quote_id,
        tool=message.tool,
        version=message.version,
        price_version=message.price_version,
        price=_price(message.price),
        units=dict(message.units),
        exact=message.exact,
        credits=show(message.amount_micros),
        credits_max=show(message.amount_max_micros),
        expires_at=_time(message.expires_at),
    )


def job(message: executor_pb2.Job) -> shapes.Job:
    """A job with its output."""
    return _job(message, msgspec.Raw(message.output_json) if message.output_json else None)


def job_of_list(message: executor_pb2.Job) -> shapes.Job:
    """A job without its output."""
    return _job(message, UNSET)


def _job(message: executor_pb2.Job, output: msgspec.Raw | UnsetType | None) -> shapes.Job:
    finished = message.HasField("finished_at")
    error: shapes.JobError | UnsetType = UNSET
    if message.HasField("error"):
        error = shapes.JobError(reason=message.error.reason, message=message.error.message)
    return shapes.Job(
        job_id=message.job_id,
        tool=message.tool,
        version=message.version,
        price_version=message.price_version,
        status=_JOB_STATES[message.state],
        output=output,
        error=error,
        credits=shapes.JobCredits(
            quoted=show(message.quoted_micros),
            reserved=show(message.reserved_micros),
            captured=show(message.captured_micros),
            settled=message.settlement == executor_pb2.Job.SETTLEMENT_SETTLED,
        ),
        units=dict(message.units),
        duration_ms=message.duration_ms if finished else None,
        created_at=_time(message.created_at),
        finished_at=_time(message.finished_at) if finished else None,
        reference=message.reference or UNSET,
        labels=dict(message.labels) or UNSET,
    )


def account(message: ledger_pb2.GetBalanceResponse) -> shapes.Account:
    """An account with its credits and grants."""
    return shapes.Account(
        account_id=message.account.account_id,
        state=_ACCOUNT_STATES[message.account.state],
        created_at=_time(message.account.created_at),
        credits=shapes.AccountCredits(
            granted=show(message.credits.granted_micros),
            available=show(message.credits.available_micros),
            reserved=show(message.credits.reserved_micros),
            spent=show(message.credits.spent_micros),
            expired=show(message.credits.expired_micros),
            voided=show(message.credits.voided_micros),
        ),
        grants=[grant(one) for one in message.grants],
    )


def grant(message: ledger_pb2.Grant) -> shapes.Grant:
    """A grant."""
    paid: shapes.Paid | UnsetType = UNSET
    if message.HasField("paid"):
        paid = shapes.Paid(message.paid.amount_micros, message.paid.currency)
    return shapes.Grant(
        grant_id=message.grant_id,
        account_id=message.account_id,
        credits=show(message.amount_micros),
        available=show(message.available_micros),
        source=_SOURCE_WORDS.get(message.source, "other"),
        priority=message.priority,
        effective_at=_time(message.effective_at),
        expires_at=_time(message.expires_at) if message.HasField("expires_at") else None,
        created_at=_time(message.created_at),
        paid=paid,
        reference=message.reference or UNSET,
    )


def entry(message: ledger_pb2.Entry) -> shapes.Entry:
    """A line of a statement."""
    of_job = message.reservation_id.startswith(_JOB_ID_PREFIX)
    return shapes.Entry(
        position=message.position,
        recorded_at=_time(message.recorded_at),
        kind=_KINDS.get(message.kind, "other"),
        amount=show(message.amount_micros),
        available_after=show(message.available_after_micros),
        reserved_after=show(message.reserved_after_micros),
        grant_id=message.grant_id or UNSET,
        reservation_id=message.reservation_id or UNSET,
        job_id=message.reservation_id if of_job else UNSET,
        tool=message.subject.tool or UNSET,
        tool_version=message.subject.tool_version or UNSET,
        price_version=message.subject.price_version or UNSET,
        reference=message.subject.reference or UNSET,
        labels=dict(message.subject.labels) or UNSET,
        reason=message.reason or UNSET,
        trace_id=message.trace_id or UNSET,
    )


def key(made: ApiKey) -> shapes.Key:
    """A key without its secret."""
    return shapes.Key(**_key_members(made))


def new_key(made: ApiKey, text: str | None) -> shapes.NewKey:
    """A key with its text."""
    return shapes.NewKey(key=text, **_key_members(made))


def _key_members(made: ApiKey) -> dict[str, Any]:
    return {
        "key_id": made.key_id,
        "name": made.name,
        "role": made.role,
        "account_id": made.account_id,
        "created_at": made.created_at.astimezone(UTC),
    }


def _price(message: catalog_pb2.Price) -> shapes.Price:
    charging = message.charging
    return shapes.Price(
        base=show(message.base_micros),
        per_unit=show(message.per_unit_micros),
        unit=message.unit or None,
        minimum=show(message.minimum_micros),
        charging=shapes.ChargingRules(
            succeeded=_CHARGES[charging.succeeded],
            failed=_CHARGES[charging.failed],
            refused=_CHARGES[charging.refused],
            timed_out=_CHARGES[charging.timed_out],
            canceled=_CHARGES[charging.canceled],
            unknown=_CHARGES[charging.unknown],
        ),
    )


def _raw(content: bytes) -> msgspec.Raw:
    return msgspec.Raw(content or b"{}")


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)
