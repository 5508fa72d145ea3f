"""Executing tools through the running system."""

import asyncio
import base64
import io
from typing import Any, get_args

import httpx
import pypdfium2
import pytest

from services.gateway import reconciliation
from tests.gateway.conftest import Account, System, problem
from tests.harness.waiting import eventually

ECHO = {"message": "x"}
SLOW = {"message": "x", "delay_seconds": 2}


async def job_of(system: System, account: Account, job_id: str) -> dict[str, Any]:
    response = await system.client.get(f"/v1/jobs/{job_id}", headers=account.headers)
    assert response.status_code == 200, response.text
    job: dict[str, Any] = response.json()
    return job


async def ended(system: System, account: Account, job_id: str) -> dict[str, Any]:
    async def settled() -> dict[str, Any] | None:
        job = await job_of(system, account, job_id)
        return job if job["credits"]["settled"] else None

    job: dict[str, Any] = await eventually(settled, 20)
    return job


async def test_a_tool_is_executed_and_costs_what_it_should(system: System) -> None:
    """The answer holds output and cost, and the balance falls by exactly what was captured."""
    account = await system.account()
    response = await system.execute(account, {"text": "Guten Morgen, wie geht es Ihnen?"}, "detect-language")
    assert response.status_code == 200
    job = response.json()
    assert job["status"] == "SUCCEEDED"
    assert job["output"]["language"] == "de"
    assert job["credits"] == {"quoted": "0.1032", "reserved": "0.1032", "captured": "0.1032", "settled": True}
    assert job["units"] == {"character": 32}
    credits = await system.credits(account)
    assert credits == {
        "granted": "100",
        "available": "99.8968",
        "reserved": "0",
        "spent": "0.1032",
        "expired": "0",
        "voided": "0",
    }


async def test_a_job_tells_its_attempts(system: System) -> None:
    """Each call of its tool with its ending; a local one has no provider, and lists leave them out."""
    account = await system.account()
    job_id = (await system.execute(account, ECHO | {"outcome": "crash"})).json()["job_id"]
    job = await ended(system, account, job_id)
    assert [(one["number"], one["ending"]) for one in job["attempts"]] == [(n, "WORKER_CRASHED") for n in (1, 2, 3)]
    assert ["error_reason" in one for one in job["attempts"]] == [False, False, True]
    assert all(one["started_at"] <= one["ended_at"] and "provider_call" not in one for one in job["attempts"])
    assert "attempts" not in (await system.jobs(account))[0]


async def test_jobs_are_compared_with_reservations(system: System) -> None:
    """An admin sees what does not fit, and how much of each kind; a job of this system fits."""
    account = await system.account()
    job_id = (await system.execute(account, ECHO)).json()["job_id"]
    await ended(system, account, job_id)
    path = "/v1/admin/reconciliation"
    found = (await system.client.get(f"{path}?grace_seconds=0", headers=system.admin)).json()
    assert set(found["counts"]) == {*get_args(reconciliation.FindingKind)}
    assert job_id not in {one["job_id"] for one in found["findings"]}
    assert found["ran_at"] <= found["compared_until"]
    wrong = await system.client.get(f"{path}?grace_seconds=86401", headers=system.admin)
    assert problem(wrong) == (400, "REQUEST_INVALID")
    assert problem(await system.client.get(path, headers=account.headers)) == (403, "FORBIDDEN")


async def test_a_file_comes_as_a_data_url(system: System) -> None:
    """A real PDF goes in as a data: URL and its text comes out."""
    document = pypdfium2.PdfDocument.new()
    document.new_page(100, 100)
    buffer = io.BytesIO()
    document.save(buffer)
    account = await system.account()
    url = "data:application/pdf;base64," + base64.b64encode(buffer.getvalue()).decode()
    response = await system.execute(account, {"pdf": url}, "pdf-to-text")
    assert response.status_code == 200, response.text
    assert response.json()["status"] == "SUCCEEDED", response.text
    assert response.json()["credits"]["captured"] == "3"


async def test_text_that_looks_like_a_file_stays_text(system: System) -> None:
    """A property that is no file may hold a data: URL."""
    account = await system.account()
    response = await system.execute(account, {"message": "data:text/plain,hello"})
    assert response.json()["output"]["message"] == "data:text/plain,hello"


async def test_a_quote_promises_the_price(system: System) -> None:
    """A quote names price, units and amount, and executing it reserves exactly that."""
    account = await system.account()
    quote = await system.quote(account, ECHO)
    assert quote["credits_max"] == "0.07"
    assert quote["exact"] is False
    assert quote["units"] == {"second": 60}
    response = await system.execute(account, ECHO, body={"quote_id": quote["quote_id"]})
    job = response.json()
    assert (job["credits"]["reserved"], job["credits"]["captured"]) == ("0.07", "0.01")
    assert (job["version"], job["price_version"]) == (quote["version"], quote["price_version"])


async def test_a_failed_tool_is_answered_as_a_job(system: System) -> None:
    """A job that ended is 200 whatever its ending, and a failure costs nothing here."""
    account = await system.account()
    response = await system.execute(account, {"message": "x", "outcome": "failure"})
    assert response.status_code == 200
    job = response.json()
    assert (job["status"], job["output"]) == ("FAILED", None)
    assert job["error"]["reason"]
    assert job["credits"]["captured"] == "0"
    assert (await system.credits(account))["available"] == "100"


@pytest.mark.parametrize("preference", ["respond-async", "wait=0", "wait=1"])
async def test_an_answer_waits_no_longer_than_wanted(system: System, preference: str) -> None:
    """A job that is not finished in time is 202 with its place, and goes on."""
    account = await system.account()
    response = await system.execute(account, SLOW, Prefer=preference)
    assert response.status_code == 202
    job = response.json()
    assert job["status"] in ("QUEUED", "RUNNING")
    assert job["output"] is None
    assert response.headers["location"] == f"/v1/jobs/{job['job_id']}"
    assert response.headers["preference-applied"] == preference
    done = await ended(system, account, job["job_id"])
    assert (done["status"], done["credits"]["captured"]) == ("SUCCEEDED", "0.012")


async def test_a_client_that_goes_away_cancels_nothing(system: System) -> None:
    """The job belongs to the executor, not to the connection."""
    account = await system.account()
    with pytest.raises(httpx.ReadTimeout):
        await system.client.post(
            "/v1/tools/echo/execute", json={"input": SLOW}, headers=account.headers, timeout=httpx.Timeout(0.7)
        )
    (job,) = await system.jobs(account)
    assert (await ended(system, account, job["job_id"]))["status"] == "SUCCEEDED"


async def test_a_key_leads_to_one_job(system: System) -> None:
    """The same request under the same key gets the first job again, as it is now, and pays once."""
    account = await system.account()
    first = await system.execute(account, SLOW, Idempotency_Key="k", Prefer="wait=0")
    assert (first.status_code, "idempotent-replayed" in first.headers) == (202, False)
    second = await system.execute(account, SLOW, Idempotency_Key='"k"', Prefer="wait=0")
    assert (second.status_code, second.headers["idempotent-replayed"]) == (202, "true")
    third = await system.execute(account, SLOW, Idempotency_Key="k")
    assert (third.status_code, third.headers["idempotent-replayed"]) == (200, "true")
    assert first.json()["job_id"] == second.json()["job_id"] == third.json()["job_id"]
    assert third.json()["status"] == "SUCCEEDED"
    assert len(await system.jobs(account)) == 1
    assert (await system.credits(account))["spent"] == "0.012"


async def test_a_key_is_for_one_content(system: System) -> None:
    """Another input, tool, quote or label under the same key is refused; another account's key is another key."""
    account, other = await system.account(), await system.account()
    assert (await system.execute(account, ECHO, Idempotency_Key="k")).status_code == 200
    quote_id = (await system.quote(account, ECHO))["quote_id"]
    for given, body in (
        ({"message": "y"}, {}),
        (ECHO, {"labels": {"a": "b"}}),
        (ECHO, {"quote_id": quote_id}),
    ):
        response = await system.execute(account, given, body=body, Idempotency_Key="k")
        assert problem(response) == (422, "REQUEST_ID_REUSED")
    response = await system.execute(account, {"text": "Guten Tag"}, "detect-language", Idempotency_Key="k")
    assert problem(response) == (422, "REQUEST_ID_REUSED")
    answer = await system.execute(other, ECHO, Idempotency_Key="k")
    assert (answer.status_code, "idempotent-replayed" in answer.headers) == (200, False)


async def test_the_same_input_may_be_written_otherwise(system: System) -> None:
    """Order and white space of the input are no other content."""
    account = await system.account()
    headers = account.headers | {"Idempotency-Key": "k"}
    jobs = {
        (await system.client.post("/v1/tools/echo/execute", content=content, headers=headers)).json()["job_id"]
        for content in (
            b'{"input": {"message": "x", "delay_seconds": 0}}',
            b'{ "input" : { "delay_seconds" : 0.0, "message" : "\\u0078" } }',
        )
    }
    assert len(jobs) == 1


async def test_a_lack_of_credits_is_remembered_under_a_key(system: System) -> None:
    """402 is the answer to its key, even when credits have come since; a new key buys."""
    account = await system.account("0.05")
    first = await system.execute(account, ECHO, Idempotency_Key="k")
    assert problem(first) == (402, "INSUFFICIENT_CREDITS")
    granted = await system.client.post(
        f"/v1/admin/accounts/{account.account_id}/grants",
        json={"credits": "1", "source": "purchase"},
        headers=system.admin | {"Idempotency-Key": "more"},
    )
    assert granted.status_code == 201
    second = await system.execute(account, ECHO, Idempotency_Key="k")
    assert problem(second) == (402, "INSUFFICIENT_CREDITS")
    assert second.headers["idempotent-replayed"] == "true"
    assert second.json()["available"] == first.json()["available"] == "0.05"
    assert (await system.execute(account, ECHO, Idempotency_Key="k2")).status_code == 200


async def test_requests_at_once_under_one_key_make_one_job(system: System) -> None:
    """Of many at the same time one drives; the others get its job, or are told that it is under way."""
    account = await system.account()
    answers = await asyncio.gather(*(system.execute(account, ECHO, Idempotency_Key="k") for _ in range(20)))
    jobs = {answer.json()["job_id"] for answer in answers}
    assert len(jobs) == 1
    for answer in answers:
        if answer.status_code != 200:
            assert problem(answer) == (409, "REQUEST_IN_FLIGHT")
            assert answer.headers["location"] == f"/v1/jobs/{answer.json()['job_id']}"
    assert sum(answer.status_code == 200 and "idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert len(await system.jobs(account)) == 1
    assert (await system.credits(account))["spent"] == "0.01"


async def test_a_quote_is_used_once_by_requests_at_once(system: System) -> None:
    """Of many executes of one quote at the same time one gets the job, the others are told that it is used."""
    account = await system.account()
    body = {"quote_id": (await system.quote(account, ECHO))["quote_id"]}
    answers = await asyncio.gather(*(system.execute(account, ECHO, body=body) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 19
    assert {problem(answer)[1] for answer in answers if answer.status_code != 200} == {"QUOTE_USED"}
    assert (await system.credits(account))["spent"] == "0.01"


async def test_nobody_overspends(system: System) -> None:
    """Of fifty executes at the same time on credits for ten, ten succeed and forty are 402, and all is settled."""
    account = await system.account("0.7")
    answers = await asyncio.gather(*(system.execute(account, SLOW) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] * 10 + [402] * 40
    jobs = await system.jobs(account)
    assert len(jobs) == 10
    for job in jobs:
        await ended(system, account, job["job_id"])
    credits = await system.credits(account)
    assert (credits["reserved"], credits["spent"], credits["available"]) == ("0", "0.12", "0.58")


async def test_reference_and_labels_travel(system: System) -> None:
    """What a caller writes on a job is on its job and on its entries, with the trace of the request."""
    account = await system.account()
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    response = await system.execute(
        account,
        ECHO,
        body={"reference": "order-1", "labels": {"team": "search"}},
        traceparent=f"00-{trace_id}-00f067aa0ba902b7-01",
        X_Request_Id="mine",
    )
    assert response.headers["x-request-id"] == "mine"
    assert response.headers["traceparent"].startswith(f"00-{trace_id}-")
    job = response.json()
    assert (job["reference"], job["labels"]) == ("order-1", {"team": "search"})
    statement = (await system.client.get("/v1/account/statement", headers=account.headers)).json()
    entries = [entry for entry in statement["entries"] if entry.get("job_id") == job["job_id"]]
    assert {entry["kind"] for entry in entries} >= {"reserved", "captured"}
    for entry in entries:
        assert (entry["reference"], entry["labels"], entry["trace_id"]) == ("order-1", {"team": "search"}, trace_id)
        assert (entry["tool"], entry["tool_version"]) == ("echo", 1)
