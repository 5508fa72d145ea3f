"""The gRPC door while a part of the system is away."""

import asyncio
from collections.abc import Awaitable, Callable

import grpc
import pytest
from scrip.executor.v1 import executor_pb2

from services.runtime.errors import Refusal
from tests.gateway.conftest import System
from tests.harness.waiting import eventually

ECHO = b'{"message": "x"}'
SLOW = b'{"message": "x", "delay_seconds": 3}'
Job = executor_pb2.Job


@pytest.mark.parametrize("name", ["catalog", "ledger", "executor"])
async def test_without_a_service_commands_are_unavailable_and_a_retry_succeeds(revived: System, name: str) -> None:
    """UNAVAILABLE in bounded time, nothing charged or left reserved; the same request id then gets its one job."""
    account = await revived.account()
    async with revived.grpc(account) as caller:
        revived.services.kill(name)
        for method in ("ExecuteTool", "SubmitJob"):
            refusal = await caller.refused(method, timeout=20, request_id="r", tool="echo", input_json=ECHO)
            assert (refusal.reason, refusal.code) == ("UPSTREAM_UNAVAILABLE", grpc.StatusCode.UNAVAILABLE)
            assert (refusal.metadata["dependency"], refusal.metadata["retry_after_seconds"]) == (name, "1")
        await revived.services.restart(name)
        await eventually(revived.tool_is_available, 20)

        async def executed() -> executor_pb2.Job | None:
            try:
                return await caller.execute("r", ECHO)
            except Refusal as refusal:
                assert refusal.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED)
                return None

        job = await eventually(executed, 20)
        await caller.settled(job.job_id)
        assert len(await revived.jobs(account)) == 1
        credits = (await caller.call("GetBalance")).credits
        assert (credits.spent_micros, credits.reserved_micros) == (10_000, 0)


async def test_streams_outlive_the_executors_restart(revived: System) -> None:
    """ExecuteTool and WatchJob that wait when the executor is killed still bring the outcome."""
    account = await revived.account()
    async with revived.grpc(account) as caller:
        submitted = await caller.submit("r", SLOW)
        executing = asyncio.create_task(caller.execute("r", SLOW))
        watching = asyncio.create_task(caller.settled(submitted.job.job_id))

        async def runs() -> bool:
            return (await revived.jobs(account))[0]["status"] == "RUNNING"

        await eventually(runs, 10)
        revived.services.kill("executor")
        await revived.services.restart("executor")
        for job in (await executing, await watching):
            assert (job.job_id, job.state) == (submitted.job.job_id, Job.STATE_SUCCEEDED)


async def test_a_killed_gateway_loses_no_job(revived: System) -> None:
    """After a kill in the middle each request id has one job, through whichever door it is asked for, paid once."""
    account = await revived.account()
    request_ids = [f"r{n}" for n in range(20)]
    async with revived.grpc(account) as caller:

        async def execute(request_id: str) -> str | None:
            try:
                return (await caller.execute(request_id, ECHO)).job_id
            except Refusal:
                return None

        async def over_http(request_id: str) -> str | None:
            answer = await revived.execute(account, {"message": "x"}, Idempotency_Key=request_id)
            return str(answer.json()["job_id"]) if answer.status_code == 200 else None

        under_way = asyncio.gather(*map(execute, request_ids))

        async def has_begun() -> bool:
            begun = "SELECT count(*) FROM idempotency WHERE account_id = %s"
            return revived.services.query("gateway", begun, account.account_id) > [(3,)]

        await eventually(has_begun, 10)
        revived.services.kill("gateway")
        await under_way
        await revived.services.restart("gateway")

        async def all_of(ask: Callable[[str], Awaitable[str | None]]) -> list[str] | None:
            answers = await asyncio.gather(*map(ask, request_ids))
            return None if None in answers else [answer for answer in answers if answer]

        job_ids = await eventually(lambda: all_of(execute), 60)
        assert await eventually(lambda: all_of(over_http), 20) == job_ids
        assert len(set(job_ids)) == len(request_ids)
        for job_id in job_ids:
            await caller.settled(job_id)
        assert len(await revived.jobs(account)) == len(request_ids)

        async def balanced() -> bool:
            credits = (await caller.call("GetBalance")).credits
            return bool((credits.spent_micros, credits.reserved_micros) == (200_000, 0))

        # What was reserved for a job that was never submitted lapses after a minute.
        await eventually(balanced, 90)


async def test_a_gateway_that_is_told_to_stop_lets_its_callers_go(revived: System) -> None:
    """Streams end as UNAVAILABLE, the process ends well, and the same request finds its job at the next gateway."""
    account = await revived.account()
    long = b'{"message": "x", "delay_seconds": 10}'
    async with revived.grpc(account) as caller:
        executing = caller.stream("ExecuteTool", request_id="r", tool="echo", input_json=long)
        job_id = (await anext(executing)).accepted.job_id
        watching = caller.stream("WatchJob", job_id=job_id)
        assert (await anext(watching)).job.job_id == job_id
        revived.services.terminate("gateway")
        for stream in (executing, watching):
            with pytest.raises(Refusal) as refused:
                async for _ in stream:
                    pass
            assert (refused.value.code, refused.value.metadata["job_id"]) == (grpc.StatusCode.UNAVAILABLE, job_id)
        assert await asyncio.to_thread(revived.services.wait, "gateway") == 0
        await revived.services.restart("gateway")

        async def submitted() -> str | None:
            try:
                return (await caller.submit("r", long)).job.job_id
            except Refusal as refusal:
                assert refusal.code == grpc.StatusCode.UNAVAILABLE
                return None

        assert await eventually(submitted, 20) == job_id
