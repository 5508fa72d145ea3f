"""kill -9 of each process in the middle of executes: afterwards every job and reservation has one ending."""

import asyncio
from collections import Counter
from decimal import Decimal
from typing import Any

import httpx
import pytest

from services.runtime import ids
from tests.harness.reconciled import reconciled_over_http
from tests.harness.stack import Stack, settled
from tests.harness.waiting import eventually

CALLERS = 8
EXECUTES = 32
GRANT = Decimal(10)
VICTIMS = ("gateway", "catalog", "ledger", "executor", "analytics", "nats", "postgres")


class Caller:
    """An app that executes with Idempotency-Keys and tries again until it has a job."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.jobs: list[str] = []

    async def work(self, number: int) -> None:
        """One caller's share, one execute after the other."""
        for turn in range(number, EXECUTES, CALLERS):
            self.jobs.append(await self.execute(f"execute-{turn}"))

    async def execute(self, key: str) -> str:
        """The job that a key leads to, at last."""

        async def attempt() -> str | None:
            try:
                answer = await self._client.post(
                    "/v1/tools/echo/execute",
                    json={"input": {"message": key, "delay_seconds": 0.1}},
                    headers={"idempotency-key": key},
                )
            except httpx.HTTPError:
                return None
            if answer.status_code in (200, 202):
                job_id: str = answer.json()["job_id"]
                return job_id
            assert answer.status_code in (409, 500, 503), answer.text
            assert answer.status_code != 500, answer.text
            return None

        found: str = await eventually(attempt, 90, f"{key} never became a job")
        return found


@pytest.mark.parametrize("victim", VICTIMS)
async def test_every_job_ends_once_and_the_balance_adds_up(stack: Stack, victim: str) -> None:
    """However the victim dies, each key leads to one job, each job ends once and costs what it should."""
    account_id, client = await stack.account(str(GRANT))
    caller = Caller(client)

    async def trouble() -> None:
        await eventually(lambda: len(caller.jobs) >= EXECUTES // 4, 60)
        pid = stack.kill(victim)
        await eventually(lambda: stack.run_json["pids"][victim] != pid, 60, f"{victim} was not started again")

    await asyncio.gather(trouble(), *(caller.work(number) for number in range(CALLERS)))
    await eventually(stack.is_ready, 60, "the system did not become ready again")
    assert len(set(caller.jobs)) == EXECUTES, "a key led to two jobs, or two keys to one"
    jobs = [await settled(client, job_id) for job_id in caller.jobs]
    assert {job["status"] for job in jobs} == {"SUCCEEDED"}
    assert {job["credits"]["captured"] for job in jobs} == {"0.011"}
    await check_balance(stack, client, account_id, caller.jobs)


async def check_balance(stack: Stack, client: httpx.AsyncClient, account_id: str, jobs: list[str]) -> None:
    """Nothing stays reserved, what was spent is what the jobs cost, and the views say the same ten seconds later."""
    spent = Decimal("0.011") * len(jobs)

    async def adds_up() -> bool:
        credits = (await client.get("/v1/account")).json()["credits"]
        return (Decimal(credits["available"]), Decimal(credits["reserved"]), Decimal(credits["spent"])) == (
            GRANT - spent,
            0,
            spent,
        )

    # A reservation whose job never came to be ends by its own time, a minute.
    await eventually(adds_up, 75, "the balance does not add up")

    def movements() -> Counter[Any]:
        rows = stack.query(
            "analyst",
            "SELECT reservation_id FROM analytics.credit_movements WHERE account_id = %s AND kind = 'captured'",
            account_id,
        )
        return Counter(row[0] for row in rows)

    await eventually(lambda: movements() == Counter(jobs), 10, "the analyst sees other captures than there were")
    ends = stack.query(
        "ledger",
        "SELECT reservation_id, count(*) FROM entry WHERE account_id = %s AND kind IN (6, 7, 8) GROUP BY 1",
        account_id,
    )
    assert {count for _, count in ends} == {1}, "a reservation ended twice"
    await reconciled_over_http(stack.admin())


async def test_a_worker_that_dies_fails_its_job_and_costs_nothing(stack: Stack) -> None:
    """A tool that takes its worker down is tried three times, then fails; the caller pays nothing."""
    _, client = await stack.account("1")
    answer = await client.post("/v1/tools/echo/execute", json={"input": {"message": "x", "outcome": "crash"}})
    job = await settled(client, answer.json()["job_id"])
    assert (job["status"], job["error"]["reason"]) == ("FAILED", "WORKER_CRASHED")
    assert job["credits"]["captured"] == "0"
    assert (await client.get("/v1/account")).json()["credits"]["available"] == "1"


async def test_a_retry_after_the_gateway_died_drives_the_same_job(stack: Stack) -> None:
    """The key is the promise: after a kill during the wait, the same key answers the job that was begun."""
    _, client = await stack.account("1")
    key = ids.uuid7()
    body = {"input": {"message": "slow", "delay_seconds": 2}}
    first = asyncio.create_task(client.post("/v1/tools/echo/execute", json=body, headers={"idempotency-key": key}))

    async def begun() -> list[dict[str, Any]]:
        jobs: list[dict[str, Any]] = (await client.get("/v1/jobs")).json()["jobs"]
        return jobs

    (job,) = await eventually(begun, 10)
    stack.kill("gateway")
    with pytest.raises(httpx.HTTPError):
        await first
    await eventually(stack.is_ready, 60)
    again = await client.post("/v1/tools/echo/execute", json=body, headers={"idempotency-key": key})
    assert again.status_code == 200
    assert again.json()["job_id"] == job["job_id"]
    assert again.headers["idempotent-replayed"] == "true"
    assert len((await client.get("/v1/jobs")).json()["jobs"]) == 1
