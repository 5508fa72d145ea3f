"""Protobuf messages to and from what the executor's own modules hold."""

from collections import Counter

from scrip.catalog.v1 import catalog_pb2
from scrip.executor.v1 import executor_pb2
from scrip.ledger.v1 import ledger_pb2

from services.executor.rules.findings import ADVICE, Kind, Report
from services.executor.rules.jobs import Charge, Ending, State, Terms
from services.executor.rules.output_files import name_of
from services.executor.store.output_files import KeptFile
from services.executor.store.rows import Attempt, Job
from services.runtime.tariff import Rate, Tariff, Tier

FINDINGS_SHOWN = 200
_CHARGES = {
    catalog_pb2.CHARGE_NOTHING: Charge.NOTHING,
    catalog_pb2.CHARGE_BASE: Charge.BASE,
    catalog_pb2.CHARGE_MEASURED: Charge.MEASURED,
}

_TIMES = (
    *("created_at", "started_at", "finished_at"),
    *("run_after", "cancel_after", "cancel_requested_at", "indeterminate_at", "content_expires_at"),
)


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
        exact=quote.exact,
        cached=quote.price.cached_micros,
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
        cached=job.state is State.SUCCEEDED and not job.attempts,
        reference=job.reference,
        labels=job.labels,
        trace_id=job.trace_id,
        input_digest=job.input_digest,
        priority=f"PRIORITY_{job.priority.name}",
        provider_request_id=job.provider_request_id,
        inspections=job.inspections,
    )
    if job.error_reason:
        message.error.reason = job.error_reason
        message.error.message = job.error_message
    for name in _TIMES:
        if moment := getattr(job, name):
            getattr(message, name).FromDatetime(moment)
    return message


def attempt_message(attempt: Attempt) -> executor_pb2.Attempt:
    """One call of a tool as callers see it."""
    message = executor_pb2.Attempt(
        number=attempt.number,
        ending=attempt.ending,
        error_reason=attempt.error_reason,
        provider=attempt.provider,
        provider_request_id=attempt.provider_request_id,
        provider_status=attempt.provider_status,
        provider_latency_ms=attempt.provider_latency_ms,
        provider_usage=attempt.provider_usage,
    )
    message.started_at.FromDatetime(attempt.started_at)
    if attempt.ended_at:
        message.ended_at.FromDatetime(attempt.ended_at)
    return message


def file_message(file: KeptFile) -> executor_pb2.OutputFile:
    """A file of an output as callers see it."""
    message = executor_pb2.OutputFile(
        file_id=file.file_id,
        account_id=file.account_id,
        job_id=file.job_id,
        pointer=file.pointer,
        name=name_of(file.pointer, file.media_type),
        media_type=file.media_type,
        size_bytes=file.size_bytes,
        digest=file.digest,
    )
    message.created_at.FromDatetime(file.created_at)
    message.expires_at.FromDatetime(file.expires_at)
    return message


def report_message(report: Report) -> executor_pb2.ReconcileJobsResponse:
    """What a run of the reconciler found."""
    message = executor_pb2.ReconcileJobsResponse()
    message.ran_at.FromDatetime(report.ran_at)
    message.compared_until.FromDatetime(report.compared_until)
    counts = Counter(one.kind for one in report.findings)
    for kind in Kind:
        message.counts.add(kind=f"KIND_{kind.name}", count=counts[kind], cut_off=kind in report.cut_off)
    for one in report.findings[:FINDINGS_SHOWN]:
        told = message.findings.add(
            kind=f"KIND_{one.kind.name}",
            account_id=one.account_id,
            job_id=one.job_id,
            tool=one.tool,
            reason=one.reason,
            job_micros=one.job_micros,
            ledger_micros=one.ledger_micros,
            advice=ADVICE[one.kind],
        )
        told.since.FromDatetime(one.since)
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
