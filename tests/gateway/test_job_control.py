"""Cancelling, timing, listing and settling jobs over HTTP, through the running system."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from services.gateway import idempotency, shapes, timing
from services.runtime import clock
from services.runtime.errors import Refusal
from tests.gateway.conftest import Account, System, problem
from tests.gateway.test_execute import ECHO, ended, job_of

ENDLESS = {"message": "x", "delay_seconds": 60}
ANY = "/v1/admin/jobs"


def ahead(**parts: float) -> str:
    """A time so far from now, as JSON has it."""
    return (clock.now() + timedelta(**parts)).isoformat()


async def begun(system: System, account: Account, **body: Any) -> str:
    """A job that goes on; answers its id."""
    response = await system.execute(account, ENDLESS, body=body, Prefer="respond-async")
    assert response.status_code == 202, response.text
    job_id: str = response.json()["job_id"]
    return job_id


async def unknown(system: System, account: Account) -> str:
    """A job of which nobody knows how it ended."""
    job_id = await begun(system, account, run_after=ahead(hours=1))
    system.services.query(
        "executor",
        "UPDATE job SET state = 'INDETERMINATE', gated = false, due_at = NULL, error_reason = 'OUTCOME_UNKNOWN',"
        " attempts = 1, started_at = now(), indeterminate_at = now() WHERE job_id = %s RETURNING job_id",
        job_id,
    )
    return job_id


async def test_a_job_is_canceled_by_its_account(system: System) -> None:
    """It ends, its credits come back, and said again it is answered as it is."""
    account = await system.account()
    job_id = await begun(system, account)
    path = f"/v1/jobs/{job_id}/cancel"
    first = await system.client.post(path, headers=account.headers)
    assert first.status_code in (200, 202)
    assert first.status_code == 200 or first.headers["location"] == f"/v1/jobs/{job_id}"
    job = await ended(system, account, job_id)
    assert (job["status"], job["error"]["reason"], job["credits"]["captured"]) == ("CANCELED", "CANCELED", "0")
    again = await system.client.post(path, headers=account.headers)
    assert (again.status_code, again.json()["finished_at"]) == (200, job["finished_at"])
    assert (await system.credits(account))["available"] == "100"


async def test_what_cannot_be_canceled_is_refused(system: System) -> None:
    """A job that ended otherwise, one of which nothing is known, another account's, and none at all."""
    account, other = await system.account(), await system.account()
    done = (await system.execute(account, ECHO)).json()["job_id"]
    open_one = await unknown(system, account)
    for job_id, headers, expected in (
        (done, account.headers, (409, "JOB_ENDED")),
        (open_one, account.headers, (409, "JOB_ENDED")),
        (done, other.headers, (404, "JOB_NOT_FOUND")),
        ("job_none", account.headers, (404, "JOB_NOT_FOUND")),
        (done, system.admin, (403, "ACCOUNT_REQUIRED")),
    ):
        assert problem(await system.client.post(f"/v1/jobs/{job_id}/cancel", headers=headers)) == expected


async def test_an_operator_cancels_any_job_and_nobody_else_does(system: System) -> None:
    """Its event names the operator's key."""
    account = await system.account()
    job_id = await begun(system, account, run_after=ahead(hours=1))
    path = f"{ANY}/{job_id}/cancel"
    assert problem(await system.client.post(path, headers=account.headers)) == (403, "FORBIDDEN")
    response = await system.client.post(path, headers=system.admin)
    assert (response.status_code, response.json()["status"]) == (200, "CANCELED")
    assert response.json()["account_id"] == account.account_id


async def test_a_job_begins_and_ends_when_it_is_told(system: System) -> None:
    """Delayed, with a deadline, and in the batch when nobody waits for it, unless the body says otherwise."""
    account = await system.account()
    later = ahead(hours=1)
    delayed = await job_of(system, account, await begun(system, account, run_after=later))
    assert (delayed["status"], delayed["priority"]) == ("QUEUED", "batch")
    assert datetime.fromisoformat(delayed["run_after"]) == datetime.fromisoformat(later)
    waited_for = await begun(system, account, priority="interactive", run_after=later)
    assert (await job_of(system, account, waited_for))["priority"] == "interactive"
    late = await begun(system, account, cancel_after=ahead(seconds=2))
    job = await ended(system, account, late)
    assert (job["status"], job["error"]["reason"]) == ("CANCELED", "DEADLINE_PASSED")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"run_after": ahead(hours=25)}, "run_after"),
        ({"run_after": "2031-01-01"}, "run_after"),
        ({"run_after": "2031-01-01T00:00:00"}, "run_after"),
        ({"cancel_after": ahead(days=31)}, "cancel_after"),
        ({"cancel_after": ahead(hours=1), "run_after": ahead(hours=2)}, "cancel_after"),
        ({"priority": "urgent"}, "priority"),
    ],
)
async def test_times_and_priorities_that_make_no_sense_are_refused(
    system: System, body: dict[str, str], field: str
) -> None:
    """Before anything is reserved; each refusal names its field."""
    account = await system.account()
    response = await system.execute(account, ECHO, body=body)
    assert problem(response) == (400, "REQUEST_INVALID")
    assert response.json()["field"] == field
    assert await system.jobs(account) == []


def test_timing_takes_part_in_what_makes_two_requests_the_same() -> None:
    """As the body says it: how long somebody wants to wait for the answer does not matter."""

    def fingerprint(respond_async: bool = False, **members: Any) -> bytes:
        body = shapes.ExecuteBody(input=msgspec.Raw(b"{}"), **members)
        said = timing.of(body.run_after, body.cancel_after, body.priority, respond_async).said
        return idempotency.fingerprint("x", "0", "", {}, said)

    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert fingerprint() == fingerprint(respond_async=True) == idempotency.fingerprint("x", "0", "", {})
    others = [
        fingerprint(),
        fingerprint(run_after=noon),
        fingerprint(cancel_after=noon),
        fingerprint(priority="batch"),
        fingerprint(priority="interactive"),
    ]
    assert len(set(others)) == len(others)


def test_a_time_outside_the_calendar_is_refused() -> None:
    """By its name."""
    before_year_1 = datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))
    with pytest.raises(Refusal) as refused:
        timing.of(before_year_1, None, None, False)
    assert refused.value.metadata["field"] == "run_after"


async def test_jobs_are_listed_by_state(system: System) -> None:
    """An account sees its own, an operator everybody's; unknown filters and tokens of other lists are refused."""
    account, other = await system.account(), await system.account()
    await system.execute(account, ECHO)
    waiting = [await begun(system, one, run_after=ahead(hours=1)) for one in (account, account, other)]

    async def listed(path: str, headers: dict[str, str]) -> list[str]:
        response = await system.client.get(path, headers=headers)
        assert response.status_code == 200, response.text
        return [job["job_id"] for job in response.json()["jobs"]]

    assert await listed("/v1/jobs?state=QUEUED", account.headers) == waiting[1::-1]
    assert len(await listed("/v1/jobs?state=SUCCEEDED&tool=echo", account.headers)) == 1
    assert await listed("/v1/jobs?tool=pdf-to-text", account.headers) == []
    assert (await listed(f"{ANY}?state=QUEUED&page_size=3", system.admin)) == waiting[::-1]
    assert await listed(f"{ANY}?account_id={other.account_id}", system.admin) == [waiting[2]]
    assert waiting[2] not in await listed(f"{ANY}?created_before=2026-01-01T00:00:00Z", system.admin)
    first = (await system.client.get(f"{ANY}?state=QUEUED&page_size=1", headers=system.admin)).json()
    token = first["next_page_token"]
    assert await listed(f"{ANY}?state=QUEUED&page_size=1&page_token={token}", system.admin) == [waiting[1]]
    for path, headers, expected in (
        (f"{ANY}?page_token={token}", system.admin, (400, "REQUEST_INVALID")),
        ("/v1/jobs?state=DONE", account.headers, (400, "REQUEST_INVALID")),
        (f"/v1/jobs?account_id={other.account_id}", account.headers, (400, "REQUEST_INVALID")),
        (ANY, account.headers, (403, "FORBIDDEN")),
        (f"{ANY}/{waiting[2]}", account.headers, (403, "FORBIDDEN")),
    ):
        assert problem(await system.client.get(path, headers=headers)) == expected
    shown = (await system.client.get(f"{ANY}/{waiting[2]}", headers=system.admin)).json()
    assert (shown["account_id"], shown["attempts"], shown["output"]) == (other.account_id, [], None)


async def test_an_operator_settles_a_job_of_which_nothing_is_known(system: System) -> None:
    """Once: its output is handed out, its price captured; another word about it is refused."""
    account = await system.account()
    job_id = await unknown(system, account)
    found = (await system.client.get(f"{ANY}?state=INDETERMINATE", headers=system.admin)).json()["jobs"]
    assert job_id in [job["job_id"] for job in found if job["indeterminate_at"]]
    path, body = f"{ANY}/{job_id}/settle", {"status": "SUCCEEDED", "reason": "on the bill", "output": {"seconds": 1}}
    assert problem(await system.client.post(path, json=body, headers=account.headers)) == (403, "FORBIDDEN")
    for _ in range(2):
        response = await system.client.post(path, json=body, headers=system.admin)
        assert (response.status_code, response.json()["status"]) == (200, "SUCCEEDED"), response.text
    other = await system.client.post(path, json={"status": "FAILED", "reason": "on the bill"}, headers=system.admin)
    assert problem(other) == (409, "JOB_ENDED")
    job = await ended(system, account, job_id)
    assert (job["output"], job["credits"]["captured"]) == ({"seconds": 1}, job["credits"]["quoted"])
    assert (await system.credits(account))["reserved"] == "0"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"status": "SUCCEEDED"}, "reason"),
        ({"status": "CANCELED", "reason": "x"}, "status"),
        ({"status": "SUCCEEDED", "reason": "x", "output": [1]}, "output"),
        ({"status": "FAILED", "reason": "x", "output": {}}, "output"),
        ({"status": "FAILED", "reason": "x", "units": {"second": -1}}, "units[...]"),
    ],
)
async def test_a_word_that_makes_no_sense_is_refused(system: System, body: dict[str, Any], field: str) -> None:
    """By its field, whatever the job."""
    response = await system.client.post(f"{ANY}/job_{'a' * 26}/settle", json=body, headers=system.admin)
    assert problem(response) == (400, "REQUEST_INVALID")
    assert response.json()["field"] == field


async def test_only_what_is_not_known_is_settled(system: System) -> None:
    """A job that waits ends by itself, and one that ended has."""
    account = await system.account()
    waiting = await begun(system, account, run_after=ahead(hours=1))
    done = (await system.execute(account, ECHO)).json()["job_id"]
    body = {"status": "FAILED", "reason": "x"}
    for job_id, expected in (
        (waiting, (409, "JOB_NOT_INDETERMINATE")),
        (done, (409, "JOB_ENDED")),
        (f"job_{'a' * 26}", (404, "JOB_NOT_FOUND")),
    ):
        response = await system.client.post(f"{ANY}/{job_id}/settle", json=body, headers=system.admin)
        assert problem(response) == expected
