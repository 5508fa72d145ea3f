"""Requests that are refused before anything is done for them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from scrip.catalog.v1 import catalog_pb2
from scrip.executor.v1 import executor_pb2

from services.executor import requests
from services.executor.rules.jobs import Priority
from services.runtime import clock
from services.runtime.errors import Refusal
from tests.executor.samples import quote, request

File = catalog_pb2.InputFile
Settle = executor_pb2.SettleJobRequest
SUCCEEDED, FAILED = executor_pb2.Job.STATE_SUCCEEDED, executor_pb2.Job.STATE_FAILED


def ahead(**parts: float) -> Timestamp:
    """A time so far from now."""
    stamp = Timestamp()
    stamp.FromDatetime(clock.now() + timedelta(**parts))
    return stamp


@pytest.mark.parametrize(
    ("make", "reason", "field"),
    [
        (lambda: request(quote(account_id="")), "REQUEST_INVALID", "quote.account_id"),
        (lambda: request(quote(account_id="Acme")), "REQUEST_INVALID", "quote.account_id"),
        (lambda: request(quote(job_id="")), "REQUEST_INVALID", "quote.job_id"),
        (lambda: request(quote(job_id="a b")), "REQUEST_INVALID", "quote.job_id"),
        (lambda: request(quote(tool="Echo!")), "REQUEST_INVALID", "quote.tool"),
        (lambda: request(quote(version=0)), "REQUEST_INVALID", "quote.version"),
        (lambda: request(quote(input_digest="abc")), "REQUEST_INVALID", "quote.input_digest"),
        (lambda: request(quote(amount_micros=-1)), "REQUEST_INVALID", "quote.amount_micros"),
        (lambda: request(quote(amount_micros=701)), "REQUEST_INVALID", "quote.amount_micros"),
        (lambda: request(input_json=b""), "REQUEST_INVALID", "input_json"),
        (lambda: request(input_json=b"[1]"), "REQUEST_INVALID", "input_json"),
        (lambda: request(input_json=b"\xff{}"), "REQUEST_INVALID", "input_json"),
        (lambda: request(input_json=b"[" * 100_000), "REQUEST_INVALID", "input_json"),
        (lambda: request(input_json=b" " * (1024 * 1024 + 1)), "INPUT_TOO_LARGE", "input_json"),
        (lambda: request(files=[File(property="a"), File(property="a")]), "REQUEST_INVALID", "files"),
        (lambda: request(files=[File(property="a", data=bytes(3 * 1024 * 1024 + 1))]), "INPUT_TOO_LARGE", "files"),
        (lambda: request(reference="x" * 129), "REQUEST_INVALID", "reference"),
        (lambda: request(reference="a\x00b"), "REQUEST_INVALID", "reference"),
        (lambda: request(labels={str(n): "x" for n in range(9)}), "REQUEST_INVALID", "labels"),
        (lambda: request(labels={"": "x"}), "REQUEST_INVALID", "labels"),
        (lambda: request(labels={"a": "x" * 129}), "REQUEST_INVALID", "labels"),
        (lambda: request(key_id="k" * 129), "REQUEST_INVALID", "key_id"),
        (lambda: request(run_after=ahead(hours=25)), "REQUEST_INVALID", "run_after"),
        (lambda: request(cancel_after=ahead(days=31)), "REQUEST_INVALID", "cancel_after"),
        (lambda: request(run_after=ahead(hours=2), cancel_after=ahead(hours=1)), "REQUEST_INVALID", "cancel_after"),
        (lambda: request(run_after=Timestamp(seconds=2**60)), "REQUEST_INVALID", "run_after"),
    ],
)
def test_a_submission_that_does_not_fit_is_refused(
    make: Callable[[], executor_pb2.SubmitJobRequest], reason: str, field: str
) -> None:
    """Each refusal names its field."""
    with pytest.raises(Refusal) as refused:
        requests.submission_of(make())
    assert (refused.value.reason, refused.value.metadata["field"]) == (reason, field)


def test_times_and_priority_are_taken_as_they_are_meant() -> None:
    """A delay that is over is none; a deadline that has passed is one none the less; who says nothing waits for it."""
    made = requests.submission_of(request(run_after=ahead(hours=-1), cancel_after=ahead(hours=-1)))
    assert made.run_after is None
    assert made.cancel_after is not None and made.cancel_after < clock.now()
    assert made.priority is Priority.INTERACTIVE
    assert requests.submission_of(request(priority=executor_pb2.Job.PRIORITY_BATCH)).priority is Priority.BATCH
    assert requests.submission_of(request(run_after=ahead(hours=1))).gated


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (Settle(reason="x"), "state"),
        (Settle(state=executor_pb2.Job.STATE_CANCELED, reason="x"), "state"),
        (Settle(state=SUCCEEDED), "reason"),
        (Settle(state=SUCCEEDED, reason="x" * 129), "reason"),
        (Settle(state=SUCCEEDED, reason="x", units={"second": -1}), "units"),
        (Settle(state=SUCCEEDED, reason="x", units={"second": 2**53}), "units"),
        (Settle(state=SUCCEEDED, reason="x", output_json=b"[1]"), "output_json"),
        (Settle(state=SUCCEEDED, reason="x", output_json=b'{"a": NaN}'), "output_json"),
        (Settle(state=SUCCEEDED, reason="x", output_json=b'{"a": 1e999}'), "output_json"),
        (Settle(state=FAILED, reason="x", output_json=b"{}"), "output_json"),
    ],
)
def test_a_settlement_that_makes_no_sense_is_refused(asked: executor_pb2.SettleJobRequest, field: str) -> None:
    """Each refusal names its field."""
    with pytest.raises(Refusal) as refused:
        requests.settling_of(asked)
    assert (refused.value.reason, refused.value.metadata["field"]) == ("REQUEST_INVALID", field)


@pytest.mark.parametrize("timeout_ms", [0, 3_600_001])
def test_a_quote_needs_a_time_limit(timeout_ms: int) -> None:
    """A call without an end is not begun."""
    made = quote()
    made.limits.timeout_ms = timeout_ms
    with pytest.raises(Refusal, match="timeout_ms"):
        requests.submission_of(request(made))


@pytest.mark.parametrize("token", ["x", "!!!", "bnVsbA", "e30", "W10", "WzEsMiwzXQ", "WyJhY21lIiwgMWU5OSwgImoiXQ"])
def test_a_broken_page_token_is_refused(token: str) -> None:
    """Tokens are opaque; whatever else is sent is REQUEST_INVALID."""
    with pytest.raises(Refusal) as refused:
        requests.place_of(token, "acme")
    assert refused.value.metadata["field"] == "page_token"


@pytest.mark.parametrize("cursors", [[{"shard": 4}], [{"shard": 1}, {"shard": 1}], [{"shard": 0, "after_seq": 2**63}]])
def test_cursors_name_shards_that_exist_once(cursors: list[dict[str, Any]]) -> None:
    """A cursor beyond the shards, or twice for one, is refused."""
    asked = executor_pb2.ReadEventsRequest(cursors=[executor_pb2.ShardCursor(**cursor) for cursor in cursors])
    with pytest.raises(Refusal, match="cursors"):
        requests.cursors_of(asked)
