"""Processes killed in the middle: every job has one ending, every reservation too, and nobody pays twice."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest
from scrip.executor.v1 import events_pb2, executor_pb2

from services.cli.local import nats
from tests.executor.saga import Saga
from tests.executor.test_pool import children, is_gone
from tests.harness.processes import Services
from tests.harness.reconciled import reconciled
from tests.harness.waiting import eventually

Job = executor_pb2.Job


@pytest.fixture
async def saga(services: Services) -> AsyncIterator[Saga]:
    services.settings["executor"] = {"SCRIP_LEASE_SECONDS": "4", "SCRIP_DRAIN_SECONDS": "4"}
    await services.start("ledger", "catalog", "executor")
    saga = Saga(services)
    await saga.account("acme")
    yield saga


async def running(saga: Saga, job_id: str) -> Job:
    async def runs() -> Job | None:
        job = await saga.job("acme", job_id)
        return job if job.state == Job.STATE_RUNNING else None

    return await eventually(runs)


async def add_up(saga: Saga, job_ids: list[str]) -> None:
    """Each job is settled, nothing stays reserved, and what was captured is what was spent."""
    jobs = [await saga.settled("acme", job_id, 60) for job_id in job_ids]
    credits = await saga.credits("acme")
    assert credits.reserved_micros == 0
    assert credits.spent_micros == sum(job.captured_micros for job in jobs)
    ended: dict[str, int] = {}
    async for event in saga.events():
        if event.kind in (events_pb2.EVENT_KIND_JOB_SUCCEEDED, events_pb2.EVENT_KIND_JOB_FAILED):
            ended[event.job_id] = ended.get(event.job_id, 0) + 1
    assert ended == dict.fromkeys(job_ids, 1)
    await reconciled(saga.services)


async def test_a_killed_executor_leaves_no_process_and_its_jobs_run_again(saga: Saga) -> None:
    """kill -9 with jobs waiting, running and ended: each ends once, the running ones by a second attempt."""
    services = saga.services
    await saga.settled("acme", await saga.begin("acme", {"message": "warm"}))
    slow = {"message": "slow", "delay_seconds": 3}
    job_ids = list(await asyncio.gather(*(saga.begin("acme", slow) for _ in range(4))))
    job_ids += await asyncio.gather(*(saga.begin("acme", {"message": str(n)}) for n in range(10)))
    await running(saga, job_ids[0])
    processes = children(services.pid("executor"))
    assert processes
    services.kill("executor")
    await eventually(lambda: all(is_gone(pid) for pid in processes), 5)
    await services.restart("executor")
    jobs = [await saga.settled("acme", job_id, 60) for job_id in job_ids]
    assert {job.state for job in jobs} == {Job.STATE_SUCCEEDED}
    assert max(job.attempts for job in jobs) == 2
    warm = await saga.credits("acme")
    assert warm.spent_micros == sum(job.captured_micros for job in jobs) + 10_000


async def test_a_killed_ledger_fails_no_job(saga: Saga) -> None:
    """kill -9 of the ledger: jobs wait to be extended and settled, then are."""
    services = saga.services
    jobs = [saga.begin("acme", {"message": "x", "delay_seconds": 1}) for _ in range(6)]
    job_ids = list(await asyncio.gather(*jobs))
    # One that runs has its reservation extended, and can end without the ledger.
    await eventually(lambda: services.query("executor", "SELECT FROM job WHERE state = 'RUNNING'"), 20)
    services.kill("ledger")
    await eventually(lambda: services.query("executor", "SELECT FROM job WHERE finished_at IS NOT NULL"), 20)
    await services.restart("ledger")
    await add_up(saga, job_ids)


async def test_a_database_that_drops_everybody_is_survived(saga: Saga) -> None:
    """All sessions ended, again and again, while jobs run: each still ends once."""
    services = saga.services
    job_ids = list(
        await asyncio.gather(*(saga.begin("acme", {"message": "x", "delay_seconds": 0.3}) for _ in range(20)))
    )
    for _ in range(8):
        await asyncio.to_thread(services.disconnect, "executor")
        await asyncio.sleep(0.25)  # the rhythm of the disturbance, not a wait for anything
    await add_up(saga, job_ids)


async def test_a_killed_broker_is_not_missed(saga: Saga, nats_server: nats.Server) -> None:
    """NATS only wakes; jobs run without it."""
    nats_server.kill()
    job_ids = list(await asyncio.gather(*(saga.begin("acme", {"message": str(n)}) for n in range(10))))
    await add_up(saga, job_ids)


async def test_told_to_stop_the_executor_drains(saga: Saga) -> None:
    """SIGTERM: what runs ends and is settled, what waits goes back, no process is left, exit 0."""
    services = saga.services
    await saga.settled("acme", await saga.begin("acme", {"message": "warm"}))
    job_ids = [await saga.begin("acme", {"message": "x", "delay_seconds": 2}) for _ in range(6)]
    await running(saga, job_ids[0])
    processes = children(services.pid("executor"))
    services.terminate("executor")
    assert await asyncio.to_thread(services.wait, "executor") == 0
    assert all(is_gone(pid) for pid in processes)
    rows = services.query("executor", "SELECT state, settlement, held_until <= now() FROM job ORDER BY created_at")
    assert ("SUCCEEDED", "SETTLED", True) in rows[1:]
    assert {row[0] for row in rows} == {"SUCCEEDED", "QUEUED"}
    await services.restart("executor")
    for job_id in job_ids:
        assert (await saga.settled("acme", job_id)).state == Job.STATE_SUCCEEDED
    endings = services.query("executor", "SELECT ending, count(*) FROM attempt GROUP BY 1")
    assert dict(endings)["ANSWERED"] == 7, "each was called once"
    assert set(dict(endings)) <= {"ANSWERED", "NOT_CALLED"}


async def test_a_call_longer_than_the_drain_is_handed_over(saga: Saga) -> None:
    """Then the call is ended and, its tool being safe, the job waits for another executor at once."""
    services = saga.services
    job_id = await saga.begin("acme", {"message": "x", "delay_seconds": 7})
    await running(saga, job_id)
    services.terminate("executor")
    assert await asyncio.to_thread(services.wait, "executor") == 0
    assert services.query("executor", "SELECT state, attempts FROM job") == [("QUEUED", 1)]
    await services.restart("executor")
    job = await saga.settled("acme", job_id, 40)
    assert (job.state, job.attempts) == (Job.STATE_SUCCEEDED, 2)


async def test_killed_tool_processes_are_replaced(saga: Saga) -> None:
    """kill -9 of every tool process: safe jobs run again, later ones run."""
    services = saga.services
    job_id = await saga.begin("acme", {"message": "x", "delay_seconds": 1})
    await running(saga, job_id)
    for pid in children(services.pid("executor")):
        os.kill(pid, signal.SIGKILL)
    later = await saga.begin("acme", {"message": "y"})
    await add_up(saga, [job_id, later])
