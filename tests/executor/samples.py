"""Quotes and submissions made by hand: the executor takes a quote as its caller gives it."""

import hashlib
from typing import Any

from scrip.catalog.v1 import catalog_pb2
from scrip.executor.v1 import executor_pb2

from services.executor import requests
from services.executor.store.submissions import Submission
from services.runtime import ids

ECHO_INPUT = b'{"message": "hi"}'


def quote(account_id: str = "acme", **members: Any) -> catalog_pb2.Quote:
    """A quote for `echo`: 100 base, 10 a second, at most 60 seconds."""
    made = catalog_pb2.Quote(
        quote_id="q",
        job_id="job_" + hashlib.sha256(ids.uuid7().encode()).hexdigest()[:26],
        account_id=account_id,
        tool="echo",
        version=1,
        price_version=1,
        price=catalog_pb2.Price(
            base_micros=100,
            per_unit_micros=10,
            unit="second",
            charging=catalog_pb2.ChargingRules(
                succeeded=catalog_pb2.CHARGE_MEASURED, timed_out=catalog_pb2.CHARGE_BASE
            ),
        ),
        units={"second": 60},
        amount_micros=700,
        amount_max_micros=700,
        input_digest=hashlib.sha256(ECHO_INPUT).hexdigest(),
        limits=catalog_pb2.Limits(timeout_ms=20_000),
    )
    for name, value in members.items():
        setattr(made, name, value)
    return made


def request(made: catalog_pb2.Quote | None = None, **members: Any) -> executor_pb2.SubmitJobRequest:
    """A submission of a quote."""
    return executor_pb2.SubmitJobRequest(
        **{"quote": made or quote(), "input_json": ECHO_INPUT, "key_id": "key1", **members}
    )


def submission(account_id: str = "acme", **members: Any) -> Submission:
    """A checked submission."""
    return requests.submission_of(request(quote(account_id), **members))
