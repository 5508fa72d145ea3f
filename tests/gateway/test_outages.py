"""The gateway while a part of the system is away."""

import asyncio

import httpx
import pytest

from services.runtime import clock
from tests.gateway.conftest import System, problem
from tests.harness.waiting import eventually

ECHO = {"message": "x"}
SLOW = {"message": "x", "delay_seconds": 3}


async def test_without_the_catalog_tools_are_shown_from_a_copy(revived: System) -> None:
    """GET of tools lives on and tells its age; executes are 503 and reserve nothing; all is well when it is back."""
    account = await revived.account()
    fresh = await revived.client.get("/v1/tools", headers=account.headers)
    assert "age" not in fresh.headers
    groups = (await revived.client.get("/v1/categories", headers=account.headers)).json()
    revived.services.kill("catalog")

    async def has_age() -> httpx.Response | None:
        copy = await revived.client.get("/v1/tools", headers=account.headers)
        return copy if "age" in copy.headers else None

    copy = await eventually(has_age, 10)
    assert [tool["slug"] for tool in copy.json()["tools"]] == [tool["slug"] for tool in fresh.json()["tools"]]
    filtered = await revived.client.get("/v1/tools?category=images&q=barcode&page_size=1", headers=account.headers)
    assert [tool["slug"] for tool in filtered.json()["tools"]] == ["barcode-read"]
    categories = await revived.client.get("/v1/categories", headers=account.headers)
    assert ("age" in categories.headers, categories.json()) == (True, groups)
    one = await revived.client.get("/v1/tools/echo", headers=account.headers)
    assert (one.status_code, one.json()["slug"]) == (200, "echo")
    response = await revived.execute(account, ECHO, Idempotency_Key="k")
    assert problem(response) == (503, "UPSTREAM_UNAVAILABLE")
    assert int(response.headers["retry-after"]) >= 1
    assert (await revived.credits(account))["reserved"] == "0"
    await revived.services.restart("catalog")
    await eventually(revived.tool_is_available, 20)
    assert (await revived.execute(account, ECHO, Idempotency_Key="k")).status_code == 200
    assert "age" not in (await revived.client.get("/v1/tools", headers=account.headers)).headers


@pytest.mark.parametrize("name", ["ledger", "executor"])
async def test_without_a_service_executes_are_refused_and_a_retry_succeeds(revived: System, name: str) -> None:
    """503 with Retry-After in bounded time, nothing charged or left reserved; the same key then gets its one job."""
    account = await revived.account()
    revived.services.kill(name)
    started = clock.monotonic()
    response = await revived.execute(account, ECHO, Idempotency_Key="k")
    assert problem(response) == (503, "UPSTREAM_UNAVAILABLE")
    assert "retry-after" in response.headers
    assert clock.monotonic() - started < 10
    await revived.services.restart(name)
    await eventually(revived.tool_is_available, 20)

    async def executed() -> httpx.Response | None:
        again = await revived.execute(account, ECHO, Idempotency_Key="k")
        return again if again.status_code == 200 else None

    answer = await eventually(executed, 15)
    assert answer.json()["status"] == "SUCCEEDED"
    assert len(await revived.jobs(account)) == 1
    credits = await revived.credits(account)
    assert (credits["spent"], credits["reserved"]) == ("0.01", "0")


async def test_a_wait_outlives_the_executors_restart(revived: System) -> None:
    """An answer that waits when the executor is killed still brings the outcome."""
    account = await revived.account()
    waiting = asyncio.create_task(revived.execute(account, SLOW, Prefer="wait=60"))

    async def runs() -> bool:
        jobs = await revived.jobs(account)
        return bool(jobs) and jobs[0]["status"] == "RUNNING"

    await eventually(runs, 10)
    revived.services.kill("executor")
    await revived.services.restart("executor")
    answer = await waiting
    assert (answer.status_code, answer.json()["status"]) == (200, "SUCCEEDED")


async def test_a_killed_gateway_loses_no_job(revived: System) -> None:
    """After a kill in the middle of executes each key has one job, which ends once and is paid once."""
    account = await revived.account()
    keys = [f"k{n}" for n in range(20)]

    async def execute(key: str) -> httpx.Response | None:
        try:
            return await revived.execute(account, ECHO, Idempotency_Key=key)
        except httpx.HTTPError:
            return None

    under_way = asyncio.gather(*map(execute, keys))

    async def has_begun() -> bool:
        begun = "SELECT count(*) FROM idempotency WHERE account_id = %s"
        return revived.services.query("gateway", begun, account.account_id) > [(3,)]

    await eventually(has_begun, 10)
    revived.services.kill("gateway")
    await under_way
    await revived.services.restart("gateway")

    async def all_answered() -> list[httpx.Response] | None:
        answers = await asyncio.gather(*map(execute, keys))
        good = [answer for answer in answers if answer is not None and answer.status_code == 200]
        return good if len(good) == len(keys) else None

    answers = await eventually(all_answered, 30)
    assert len({answer.json()["job_id"] for answer in answers}) == len(keys)

    async def settled() -> bool:
        credits = await revived.credits(account)
        return credits["reserved"] == "0" and credits["spent"] == "0.2"

    await eventually(settled, 90)
    assert len(await revived.jobs(account)) == len(keys)


async def test_a_gateway_that_is_told_to_stop_answers_first(revived: System) -> None:
    """A wait under way is answered at once with 202, and the process ends well."""
    account = await revived.account()
    waiting = asyncio.create_task(revived.execute(account, SLOW | {"delay_seconds": 8}, Prefer="wait=60"))

    async def runs() -> bool:
        return bool(await revived.jobs(account))

    await eventually(runs, 10)
    started = clock.monotonic()
    revived.services.terminate("gateway")
    answer = await waiting
    assert answer.status_code == 202
    assert await asyncio.to_thread(revived.services.wait, "gateway") == 0
    assert clock.monotonic() - started < 6
