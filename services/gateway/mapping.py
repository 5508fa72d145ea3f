"""From the messages of catalog and executor to the shapes of the HTTP API; the ledger's are in `ledger_mapping`."""

from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp
from msgspec import UNSET, UnsetType
from scrip.catalog.v1 import catalog_pb2, events_pb2
from scrip.executor.v1 import executor_pb2
from scrip.gateway.v1 import gateway_pb2

from services.gateway import shapes
from services.gateway.credits import show
from services.gateway.file_rows import File
from services.gateway.keys import ApiKey

FileMessage = TypeVar("FileMessage", gateway_pb2.UploadFileResponse, gateway_pb2.File)

_CHARGES: dict[int, shapes.Charge] = {
    catalog_pb2.CHARGE_NOTHING: "nothing",
    catalog_pb2.CHARGE_BASE: "base",
    catalog_pb2.CHARGE_MEASURED: "measured",
}
ORIGINS: dict[int, Literal["manifest", "operator"]] = {
    events_pb2.PRICE_ORIGIN_MANIFEST: "manifest",
    events_pb2.PRICE_ORIGIN_OPERATOR: "operator",
}
_JOB_STATES: dict[int, Any] = {
    number: name.removeprefix("STATE_") for name, number in executor_pb2.Job.State.items() if number
}
JOB_STATES: dict[str, int] = {name: number for number, name in _JOB_STATES.items()}
_PRIORITIES: dict[int, shapes.Priority] = {
    executor_pb2.Job.PRIORITY_INTERACTIVE: "interactive",
    executor_pb2.Job.PRIORITY_BATCH: "batch",
}
_ENDED = frozenset({executor_pb2.Job.STATE_SUCCEEDED, executor_pb2.Job.STATE_FAILED, executor_pb2.Job.STATE_CANCELED})


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
        price=price(message.price),
        limits=shapes.Limits(
            input_bytes=message.limits.input_bytes,
            units=message.limits.units or None,
            timeout_ms=message.limits.timeout_ms,
            rate_per_hour=message.limits.rate_per_hour or None,
            concurrency=message.limits.concurrency or None,
        ),
        input_schema=_raw(message.input_schema_json),
        output_schema=_raw(message.output_schema_json),
        examples=[msgspec.Raw(example) for example in message.example_inputs_json],
        enabled=message.enabled,
        available=message.available,
        provider=message.provider or None,
        price_origin=ORIGINS[message.price_origin],
        digest=message.digest,
        created_at=time_of(message.created_at),
        unavailable_reason=reason,
        secret=message.secret or UNSET,
        deprecated=_deprecation(message),
        scheduled_price=_scheduled_price(message),
        documentation=message.documentation or UNSET,
    )


def _deprecation(message: catalog_pb2.Tool) -> shapes.Deprecation | UnsetType:
    if not message.HasField("deprecation"):
        return UNSET
    return shapes.Deprecation(successor=message.deprecation.successor or None, note=message.deprecation.note)


def _scheduled_price(message: catalog_pb2.Tool) -> shapes.ScheduledPrice | UnsetType:
    if not message.HasField("scheduled_price"):
        return UNSET
    scheduled = message.scheduled_price
    return shapes.ScheduledPrice(price=price(scheduled.price), effective_at=time_of(scheduled.effective_at))


def quote(message: catalog_pb2.Quote) -> shapes.Quote:
    """A quote."""
    return shapes.Quote(
        quote_id=message.quote_id,
        tool=message.tool,
        version=message.version,
        price_version=message.price_version,
        price=price(message.price),
        units=dict(message.units),
        exact=message.exact,
        credits=show(message.amount_micros),
        credits_max=show(message.amount_max_micros),
        expires_at=time_of(message.expires_at),
    )


def job(message: executor_pb2.Job) -> shapes.Job:
    """A job with its output."""
    return shapes.Job(output=_output(message), **_job_members(message))


def job_with_attempts(message: executor_pb2.Job) -> shapes.Job:
    """A job with its output and with each call of its tool."""
    told = job(message)
    told.attempts = list(map(_attempt, message.attempts_made))
    return told


def operator_job_with_attempts(message: executor_pb2.Job) -> shapes.OperatorJob:
    """The same, as operators see it."""
    told = operator_job(message)
    told.attempts = list(map(_attempt, message.attempts_made))
    return told


def job_of_list(message: executor_pb2.Job) -> shapes.Job:
    """A job without its output."""
    return shapes.Job(output=UNSET, **_job_members(message))


def operator_job(message: executor_pb2.Job) -> shapes.OperatorJob:
    """A job with its output, as operators see it."""
    return shapes.OperatorJob(output=_output(message), **_operator_members(message))


def operator_job_of_list(message: executor_pb2.Job) -> shapes.OperatorJob:
    """A job without its output, as operators see it."""
    return shapes.OperatorJob(output=UNSET, **_operator_members(message))


def _output(message: executor_pb2.Job) -> msgspec.Raw | None:
    return msgspec.Raw(message.output_json) if message.output_json else None


def _operator_members(message: executor_pb2.Job) -> dict[str, Any]:
    return _job_members(message) | {
        "account_id": message.account_id,
        "indeterminate_at": _time_if_set(message, "indeterminate_at"),
        "provider_request_id": message.provider_request_id or UNSET,
        "inspections": message.inspections or UNSET,
    }


def _job_members(message: executor_pb2.Job) -> dict[str, Any]:
    finished = message.HasField("finished_at")
    error: shapes.JobError | UnsetType = UNSET
    if message.HasField("error"):
        error = shapes.JobError(reason=message.error.reason, message=message.error.message)
    return {
        "job_id": message.job_id,
        "tool": message.tool,
        "version": message.version,
        "price_version": message.price_version,
        "status": _JOB_STATES[message.state],
        "error": error,
        "credits": shapes.JobCredits(
            quoted=show(message.quoted_micros),
            reserved=show(message.reserved_micros),
            captured=show(message.captured_micros),
            settled=message.settlement == executor_pb2.Job.SETTLEMENT_SETTLED,
        ),
        "units": dict(message.units),
        "duration_ms": message.duration_ms if finished else None,
        "created_at": time_of(message.created_at),
        "finished_at": time_of(message.finished_at) if finished else None,
        "reference": message.reference or UNSET,
        "labels": dict(message.labels) or UNSET,
        # An executor that does not say yet knows but one.
        "priority": _PRIORITIES.get(message.priority, "interactive"),
        "run_after": _time_if_set(message, "run_after"),
        "cancel_after": _time_if_set(message, "cancel_after"),
        "cancel_requested_at": _time_if_set(message, "cancel_requested_at"),
        "content_expires_at": _time_if_set(message, "content_expires_at"),
        "cached": message.cached or UNSET,
    }


def _time_if_set(message: executor_pb2.Job, field: str) -> datetime | UnsetType:
    return time_of(getattr(message, field)) if message.HasField(field) else UNSET


def file(kept: File) -> shapes.File:
    """A file; whose it is, its caller knows."""
    return shapes.File(
        file_id=kept.file_id,
        media_type=kept.media_type,
        name=kept.name,
        size_bytes=kept.size_bytes,
        digest=kept.digest,
        created_at=kept.created_at.astimezone(UTC),
        expires_at=kept.expires_at.astimezone(UTC),
    )


def uploaded_file_message(kept: File) -> gateway_pb2.UploadFileResponse:
    """A file that was just uploaded, over gRPC."""
    return _told(kept, gateway_pb2.UploadFileResponse())


def file_message(kept: File) -> gateway_pb2.File:
    """A file, over gRPC."""
    return _told(kept, gateway_pb2.File())


def _told(kept: File, message: FileMessage) -> FileMessage:
    message.file_id = kept.file_id
    message.size_bytes = kept.size_bytes
    message.digest = kept.digest
    message.media_type = kept.media_type
    message.name = kept.name
    message.created_at.FromDatetime(kept.created_at)
    message.expires_at.FromDatetime(kept.expires_at)
    return message


def _attempt(message: executor_pb2.Attempt) -> shapes.Attempt:
    call: shapes.ProviderCall | UnsetType = UNSET
    if message.provider:
        call = shapes.ProviderCall(
            provider=message.provider,
            request_id=message.provider_request_id or None,
            status=message.provider_status or None,
            latency_ms=message.provider_latency_ms,
            usage=dict(message.provider_usage),
        )
    return shapes.Attempt(
        number=message.number,
        started_at=time_of(message.started_at),
        ended_at=time_of(message.ended_at) if message.HasField("ended_at") else None,
        ending=message.ending or None,
        error_reason=message.error_reason or UNSET,
        provider_call=call,
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


def price(message: catalog_pb2.Price) -> shapes.Price:
    """A price."""
    charging = message.charging
    return shapes.Price(
        **_tariff(message, message.unit),
        unit=message.unit or None,
        cached=show(message.cached_micros),
        variants=[shapes.PriceVariant(**_tariff(one, message.unit), when=one.when) for one in message.variants],
        charging=shapes.ChargingRules(
            succeeded=_CHARGES[charging.succeeded],
            failed=_CHARGES[charging.failed],
            refused=_CHARGES[charging.refused],
            timed_out=_CHARGES[charging.timed_out],
            canceled=_CHARGES[charging.canceled],
            unknown=_CHARGES[charging.unknown],
        ),
    )


def _tariff(message: catalog_pb2.Price | catalog_pb2.PriceVariant, unit: str) -> dict[str, Any]:
    """The members of a tariff; `unit` is the one kind of units, if there is but one."""
    rates: dict[str, dict[str, Any]] = {
        rate.unit: {
            "per_unit": show(rate.micros),
            "per": rate.per,
            "tiers": [shapes.PriceTier(above=tier.above, per_unit=show(tier.micros)) for tier in rate.tiers],
        }
        for rate in message.rates
    }
    sole = rates.pop(unit, {"per_unit": "0", "per": 1, "tiers": []})
    return sole | {
        "base": show(message.base_micros),
        "rates": {name: shapes.UnitRate(**rate) for name, rate in rates.items()},
        "minimum": show(message.minimum_micros),
    }


def _raw(content: bytes) -> msgspec.Raw:
    return msgspec.Raw(content or b"{}")


def time_of(stamp: Timestamp) -> datetime:
    """A time in UTC."""
    return stamp.ToDatetime(tzinfo=UTC)
