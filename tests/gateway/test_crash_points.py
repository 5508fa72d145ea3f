"""kill -9 of the gateway at each step of an execute: the same key then leads to one job, which is paid once."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.gateway.conftest import SERVICES, Account, System
from tests.harness.processes import Services
from tests.harness.reconciled import reconciled
from tests.harness.waiting import eventually

ECHO = {"message": "x"}
STEPS = ("keyed", "reserved", "submitted")


@pytest.fixture
async def fragile(services: Services) -> AsyncIterator[System]:
    """A system of this test's own, without a gateway."""
    await services.start(*(name for name in SERVICES if name != "gateway"))
    system = System(services)
    async with system.client:
        yield system


async def test_whatever_the_key_had_led_to_goes_on(fragile: System) -> None:
    """At each step the gateway dies, another one is asked with the same key, and there is one job and one capture."""
    services = fragile.services
    for number, step in enumerate(STEPS, 1):
        await services.start_to_crash("gateway", f"gateway.{step}")
        await eventually(fragile.tool_is_available, 20)
        account = await fragile.account()
        with pytest.raises(httpx.HTTPError):
            await fragile.execute(account, ECHO, Idempotency_Key="k")
        await services.crashed("gateway")
        await services.restart("gateway")

        async def again(account: Account = account) -> httpx.Response | None:
            answer = await fragile.execute(account, ECHO, Idempotency_Key="k")
            assert answer.status_code in (200, 409, 503), answer.text
            return answer if answer.status_code == httpx.codes.OK else None

        job = (await eventually(again, 30)).json()
        assert (job["status"], job["credits"]["settled"]) == ("SUCCEEDED", True), step
        assert [one["job_id"] for one in await fragile.jobs(account)] == [job["job_id"]]
        credits = await fragile.credits(account)
        assert (credits["reserved"], credits["spent"]) == ("0", job["credits"]["captured"])
        assert len(services.query("executor", "SELECT job_id FROM job")) == number
        services.kill("gateway")
    await reconciled(services)
