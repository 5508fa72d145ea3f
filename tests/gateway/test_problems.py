"""Refusals as problem details."""

import json
from typing import Any

import pytest

from services.gateway import problems
from services.runtime.errors import REASONS, Refusal, Violation, unavailable


def body_of(refusal: Refusal) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(problems.of(refusal, "request-1", "trace-1").body)
    return body


@pytest.mark.parametrize("reason", sorted(set(REASONS) - {"DEADLINE_EXCEEDED"}))
def test_every_reason_is_a_problem(reason: str) -> None:
    """Each reason has its type, its status, its title, the request's id and the trace."""
    problem = problems.of(Refusal(reason, "words"), "request-1", "trace-1")
    body = json.loads(problem.body)
    assert problem.status == body["status"] == REASONS[reason].http_status
    assert body["type"] == "urn:scrip:problem:" + reason.lower().replace("_", "-")
    assert body["reason"] == reason
    assert body["title"]
    assert body["instance"] == "request-1"
    assert body["trace_id"] == "trace-1"
    assert problem.headers["Content-Type"] == "application/problem+json"


def test_amounts_are_decimal_strings() -> None:
    """A lack of credits names required, available and reserved in credits, in its members and in its text."""
    refusal = Refusal(
        "INSUFFICIENT_CREDITS",
        "in microcredits",
        {"required_micros": 12_500_000, "available_micros": 3_000_000, "reserved_micros": 0},
    )
    body = body_of(refusal)
    assert (body["required"], body["available"], body["reserved"]) == ("12.5", "3", "0")
    assert body["detail"] == "12.5 credits are required; 3 are available and 0 reserved"


@pytest.mark.parametrize(
    ("reason", "metadata", "detail"),
    [
        (
            "REFUND_EXCEEDS_CAPTURED",
            {"requested_micros": 2_000_000, "captured_micros": 1_500_000, "refunded_micros": 1},
            "refunding 2 credits; 1.5 were captured, 0.000001 of them refunded",
        ),
        (
            "CREDIT_LIMIT_BELOW_USED",
            {"requested_micros": 0, "used_micros": 500_000},
            "a credit limit of 0 is below the 0.5 credits that are on credit now",
        ),
        (
            "ACCOUNT_EXISTS",
            {"account_id": "acme", "credit_limit_micros": 1_000_000, "requested_micros": 2_000_000},
            "account acme is open with a credit limit of 1 credits, not 2",
        ),
        ("ACCOUNT_NOT_EMPTY", {"account_id": "acme"}, "in microcredits at 1600000000000000"),
        ("REQUEST_INVALID", {"now": 1_600_000_000_000_000}, "in microcredits at 2020-09-13T12:26:40Z"),
    ],
)
def test_a_sentence_is_in_credits_and_times(reason: str, metadata: dict[str, str | int], detail: str) -> None:
    """What a service says in its own units is told in those of the HTTP API; without its numbers, as it is."""
    body = body_of(Refusal(reason, "in microcredits at 1600000000000000", metadata))
    assert body["detail"] == detail


def test_violations_are_listed_with_their_pointers() -> None:
    """An input that does not fit lists each violation with pointer, keyword and message."""
    body = body_of(Refusal("INPUT_INVALID", "no", {"violations": 1}, [Violation("/text", "is wrong", "type")]))
    assert body["errors"] == [{"pointer": "/text", "keyword": "type", "message": "is wrong"}]
    assert "violations" not in body


def test_what_is_unexpected_tells_nothing() -> None:
    """An internal failure, or a reason this program does not know, says no more than the trace id."""
    for refusal in (
        Refusal("INTERNAL", "ledger failed: SELECT secret", {"peer": "ledger"}),
        Refusal("SOME_NEW_REASON", "words", {"x": "y"}, code=REASONS["INTERNAL"].code),
    ):
        problem = problems.of(refusal, "r", "t")
        assert problem.status == 500
        assert set(json.loads(problem.body)) == {
            *("type", "title", "status", "detail", "instance", "reason", "trace_id"),
        }
        assert b"ledger" not in problem.body
        assert b"SOME_NEW" not in problem.body


def test_metadata_cannot_pose_as_the_problem() -> None:
    """A refusal's metadata never stands in the place of the problem's own members."""
    body = body_of(Refusal("TOOL_DISABLED", "off", {"status": "200", "type": "x", "trace_id": "y", "tool": "echo"}))
    assert (body["status"], body["trace_id"], body["tool"]) == (403, "trace-1", "echo")


@pytest.mark.parametrize(
    ("refusal", "header", "value"),
    [
        (unavailable("ledger"), "Retry-After", "1"),
        (Refusal("TOOL_UNAVAILABLE", "x", {"retry_after_seconds": 10}), "Retry-After", "10"),
        (Refusal("RATE_LIMITED", "x"), "Retry-After", "1"),
        (Refusal("DEADLINE_EXCEEDED", "x"), "Retry-After", "1"),
        (Refusal("UNAUTHENTICATED", "x"), "WWW-Authenticate", 'Bearer realm="scrip"'),
        (Refusal("QUOTE_USED", "x", {"job_id": "job_a"}), "Location", "/v1/jobs/job_a"),
        (Refusal("REQUEST_IN_FLIGHT", "x", {"job_id": "job_a"}), "Location", "/v1/jobs/job_a"),
        (Refusal("METHOD_NOT_ALLOWED", "x", {"allow": "GET"}), "Allow", "GET"),
        (problems.ReplayedRefusal("INSUFFICIENT_CREDITS", "x"), "Idempotent-Replayed", "true"),
    ],
)
def test_headers_say_what_to_do_next(refusal: Refusal, header: str, value: str) -> None:
    """A problem that can be got over says in its headers how."""
    assert problems.of(refusal, "r", "t").headers[header] == value
