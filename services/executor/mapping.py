"""Protobuf messages to and from what the executor's own modules hold."""

from scrip.catalog.v1 import catalog_pb2
from scrip.executor.v1 import executor_pb2
from scrip.ledger.v1 import ledger_pb2

from services.executor.jobs import Charge, Ending, Terms
from services.executor.store.rows import Job
from services.runtime.tariff import Rate, Tariff, Tier

_CHARGES = {
    catalog_pb2.CHARGE_NOTHING: Charge.NOTHING,
    catalog_pb2.CHARGE_BASE: Charge.BASE,
    catalog_pb2.CHARGE_MEASURED: Charge.MEASURED,
}


def terms_of(quote: catalog_pb2.Quote) -> Terms:
    """What a job was quoted at."""
    rules = quote.price.charging
    charges = {
        Ending.SUCCEEDED: rules.succeeded,
        Ending.FAILED: rules.failed,
        Ending.REFUSED: rules.refused,
        Ending.TIMED_OUT: rules.timed_out,
        Ending.CANCELED: rules.canceled,
        Ending.UNKNOWN: rules.unknown,
    }
    return Terms(
        reserved=quote.amount_max_micros,
        tariff=_tariff_of(quote.price),
        quoted_units=dict(quote.units),
        charges={ending: _CHARGES.get(rule, Charge.NOTHING) for ending, rule in charges.items()},
    )


def _tariff_of(price: catalog_pb2.Price) -> Tariff:
    rates = [
        Rate(rate.unit, rate.micros, max(rate.per, 1), tuple(Tier(tier.above, tier.micros) for tier in rate.tiers))
        for rate in price.rates
    ]
    if not rates and price.unit:
        # A quote of before there were rates.
        rates = [Rate(price.unit, price.per_unit_micros)]
    return Tariff(price.base_micros, price.minimum_micros, tuple(rates))


def stored_terms(quote: bytes) -> Terms:
    """The terms of a quote as the job's row keeps it."""
    return terms_of(catalog_pb2.Quote.FromString(quote))


def job_message(job: Job, output_json: bytes = b"") -> executor_pb2.Job:
    """A job as callers see it."""
    message = executor_pb2.Job(
        job_id=job.job_id,
        account_id=job.account_id,
        tool=job.tool,
        version=job.tool_version,
        price_version=job.price_version,
        state=f"STATE_{job.state}",
        output_json=output_json,
        reserved_micros=job.reserved_micros,
        quoted_micros=job.quoted_micros,
        captured_micros=job.captured_micros,
        settlement=f"SETTLEMENT_{job.settlement}",
        units=job.units,
        duration_ms=job.duration_ms,
        attempts=job.attempts,
        reference=job.reference,
        labels=job.labels,
        trace_id=job.trace_id,
        input_digest=job.input_digest,
    )
    if job.error_reason:
        message.error.reason = job.error_reason
        message.error.message = job.error_message
    message.created_at.FromDatetime(job.created_at)
    if job.started_at:
        message.started_at.FromDatetime(job.started_at)
    if job.finished_at:
        message.finished_at.FromDatetime(job.finished_at)
    return message


def subject_of(job: Job) -> ledger_pb2.Subject:
    """What a ledger command about a job's reservation is about."""
    return ledger_pb2.Subject(
        reference=job.reference,
        labels=job.labels,
        key_id=job.key_id,
        tool=job.tool,
        tool_version=job.tool_version,
        price_version=job.price_version,
        trace_id=job.trace_id,
        provider_request_id=job.provider_request_id,
    )
