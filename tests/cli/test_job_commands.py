"""`scrip jobs`, against a gateway that records what it is sent."""

import json
from datetime import timedelta
from typing import Any

import pytest

from services.runtime import clock

from .support import FakeGateway
from .test_commands import ADMIN_KEY, USER_KEY, call, data_dir, gateway  # noqa: F401 (fixtures)
from .test_credit_commands import query_of

JOB = {
    "job_id": "job_1",
    "status": "SUCCEEDED",
    "tool": "echo",
    "output": {"message": "x"},
    "credits": {"quoted": "1", "reserved": "1", "captured": "0.5", "settled": True},
    "duration_ms": 12,
    "created_at": "2031-01-31T10:20:30.123456Z",
    "finished_at": "2031-01-31T10:20:31.123456Z",
}
OPEN = JOB | {
    "job_id": "job_2",
    "account_id": "acme",
    "status": "INDETERMINATE",
    "error": {"reason": "OUTCOME_UNKNOWN", "message": "m"},
    "credits": {"reserved": "1", "captured": "0", "settled": False},
    "finished_at": None,
}


def test_jobs_are_listed(gateway: FakeGateway, call: Any) -> None:  # noqa: F811
    """One's own with the account's key, others' with an admin's; what is not known shows for how long it has been."""
    gateway.answer("GET /v1/jobs", 200, {"jobs": [JOB], "next_page_token": "p2"})
    since = (clock.now() - timedelta(hours=5)).isoformat()
    gateway.answer("GET /v1/admin/jobs", 200, {"jobs": [OPEN | {"indeterminate_at": since}], "next_page_token": ""})
    own = call("jobs", "list", "--state", "succeeded", "--limit", "1")
    assert own.stdout.splitlines()[1].split() == [
        *("job_1", "SUCCEEDED", "echo", "0.5"),
        *("2031-01-31T10:20:30Z", "2031-01-31T10:20:31Z"),
    ]
    assert "older ones" in own.stderr
    everybodys = call("jobs", "list", "--any", "--state", "indeterminate", "--created-before", "2031-01-01")
    assert "OUTCOME_UNKNOWN for 5.0 h" in everybodys.stdout and "acme" in everybodys.stdout
    assert call("jobs", "list", "--account", "acme", "--tool", "echo").exit_code == 0
    assert [query_of(one.path) for one in gateway.sent] == [
        {"state": ["SUCCEEDED"], "page_size": ["1"]},
        {"state": ["INDETERMINATE"], "created_before": ["2031-01-01T00:00:00Z"], "page_size": ["50"]},
        {"account_id": ["acme"], "tool": ["echo"], "page_size": ["50"]},
    ]
    keys = [one.headers["Authorization"].removeprefix("Bearer ") for one in gateway.sent]
    assert keys == [USER_KEY, ADMIN_KEY, ADMIN_KEY]


def test_a_job_is_shown(gateway: FakeGateway, call: Any) -> None:  # noqa: F811
    """Its output on stdout, the rest beside it."""
    gateway.answer("GET /v1/jobs/job_1", 200, JOB)
    gateway.answer("GET /v1/admin/jobs/job_2", 200, OPEN)
    done = call("jobs", "get", "job_1")
    assert json.loads(done.stdout) == {"message": "x"}
    assert "SUCCEEDED in 12 ms, 0.5 credits" in done.stderr
    assert json.loads(call("jobs", "get", "job_2", "--any", "--json").stdout) == OPEN


@pytest.mark.parametrize(
    ("options", "path", "status", "said"),
    [
        ([], "/v1/jobs", "CANCELED", "Job job_1 is canceled."),
        ([], "/v1/jobs", "RUNNING", "Job job_1 is being stopped"),
        (["--any"], "/v1/admin/jobs", "CANCELED", "Job job_1 is canceled."),
    ],
)
def test_a_job_is_canceled(
    gateway: FakeGateway,  # noqa: F811
    call: Any,  # noqa: F811
    options: list[str],
    path: str,
    status: str,
    said: str,
) -> None:
    """At once, or as soon as its call is stopped."""
    gateway.answer(f"POST {path}/job_1/cancel", 202, JOB | {"status": status})
    assert call("jobs", "cancel", "job_1", *options).stdout.startswith(said)


def test_what_cannot_be_canceled_is_told(gateway: FakeGateway, call: Any) -> None:  # noqa: F811
    """Exit status 1, and why."""
    gateway.problem("POST /v1/jobs/job_1/cancel", 409, "JOB_ENDED")
    refused = call("jobs", "cancel", "job_1")
    assert (refused.exit_code, "because JOB_ENDED" in refused.stderr) == (1, True)


def test_a_job_is_settled(gateway: FakeGateway, call: Any) -> None:  # noqa: F811
    """As succeeded with what it used and made, or as failed; which of both must be said, and why."""
    gateway.answer("POST /v1/admin/jobs/job_2/settle", 200, OPEN | {"status": "SUCCEEDED"})
    word = ["--succeeded", "--reason", "on the bill", "--units", "second=5", "--output", "@-"]
    settled = call("jobs", "settle", "job_2", *word, stdin='{"a": 1}')
    assert settled.stdout == "Job job_2 is settled as SUCCEEDED.\n"
    assert call("jobs", "settle", "job_2", "--failed", "--reason", "r").exit_code == 0
    assert [one.body for one in gateway.sent] == [
        {"status": "SUCCEEDED", "reason": "on the bill", "units": {"second": 5}, "output": {"a": 1}},
        {"status": "FAILED", "reason": "r"},
    ]
    assert call("jobs", "settle", "job_2", "--reason", "r").exit_code == 2
    assert call("jobs", "settle", "job_2", "--failed").exit_code == 2
    assert call("jobs", "settle", "job_2", "--succeeded", "--reason", "r", "--output", "[1]").exit_code == 2


def test_a_job_is_executed_at_its_time(gateway: FakeGateway, call: Any) -> None:  # noqa: F811
    """Not before, not after, and behind those that somebody waits for."""
    gateway.answer("POST /v1/tools/echo/execute", 202, JOB | {"status": "QUEUED"})
    times = ["--run-after", "2031-01-01", "--cancel-after", "2031-01-02T00:00:00+01:00"]
    done = call("execute", "echo", *times, "--batch", "--wait", "0")
    assert "scrip jobs get job_1" in done.stderr
    assert gateway.sent[0].body == {
        "input": {},
        "run_after": "2031-01-01T00:00:00Z",
        "cancel_after": "2031-01-02T00:00:00+01:00",
        "priority": "batch",
    }
