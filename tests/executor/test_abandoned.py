"""Work at a provider is stopped there also where its job ends while nobody is at the call."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from scrip.executor.v1 import executor_pb2

from tests.executor import studio
from tests.executor.saga import Saga
from tests.executor.studio import GIVEN, TOOL, Gallery, Studio
from tests.harness.reconciled import reconciled
from tests.harness.waiting import eventually

Job = executor_pb2.Job
LOOKED_AT = "GET /pictures/p1"
STOPPED = "DELETE /pictures/p1"


@pytest.fixture
def drawing(gallery: Gallery) -> Studio:
    """A provider that answers, and is never done."""
    gallery.drawing = Studio()
    gallery.drawing.hangs_up, gallery.drawing.state = False, "drawing"
    return gallery.drawing


@pytest.fixture
async def saga(gallery: Gallery, drawing: Studio) -> AsyncIterator[Saga]:
    """The services, with the tool."""
    services = gallery.services
    if not services.runs("executor"):
        await services.start("executor")
    saga = Saga(services)
    await studio.apply(saga, studio.manifest(polled=True))
    yield saga
    await services.close_peers()


async def begun(saga: Saga, acme: str, drawing: Studio) -> str:
    """A job whose work was looked at, so that it is kept."""
    job_id = await saga.begin(acme, GIVEN, TOOL)
    await eventually(lambda: LOOKED_AT in drawing.asked, 20)
    return job_id


async def handed_over(saga: Saga, acme: str, drawing: Studio) -> str:
    """A job that waits for somebody to go on with its work, and for an hour nobody does."""
    job_id = await begun(saga, acme, drawing)
    saga.services.terminate("executor")
    saga.services.wait("executor")
    waiting = saga.services.query(
        "executor", "UPDATE job SET held_until = now() + interval '1 hour' WHERE state = 'QUEUED' RETURNING job_id"
    )
    assert waiting == [(job_id,)]
    return job_id


async def stopped(saga: Saga, acme: str, drawing: Studio, job_id: str, state: Job.State, reason: str) -> None:
    """The job ended so, and its work was stopped once."""
    job = await saga.settled(acme, job_id)
    assert (job.state, job.error.reason, job.captured_micros) == (state, reason, 0)
    assert await asyncio.to_thread(drawing.canceled.wait, 20)
    assert (drawing.began, drawing.asked.count(STOPPED)) == (1, 1)
    assert (await saga.credits(acme)).reserved_micros == 0
    await reconciled(saga.services)


async def test_of_a_job_that_is_canceled_while_it_waits(saga: Saga, acme: str, drawing: Studio) -> None:
    """Its executor has handed it over."""
    job_id = await handed_over(saga, acme, drawing)
    await saga.services.restart("executor")
    await saga.cancel(acme, job_id)
    await stopped(saga, acme, drawing, job_id, Job.STATE_CANCELED, "CANCELED")


async def test_of_a_job_whose_deadline_passes_while_it_waits(saga: Saga, acme: str, drawing: Studio) -> None:
    """So it does not even get a last look."""
    job_id = await handed_over(saga, acme, drawing)
    saga.services.query("executor", "UPDATE job SET cancel_after = now() WHERE job_id = %s RETURNING job_id", job_id)
    await saga.services.restart("executor")
    await stopped(saga, acme, drawing, job_id, Job.STATE_CANCELED, "DEADLINE_PASSED")


async def test_of_a_job_whose_executor_died_when_it_was_to_be_canceled(saga: Saga, acme: str, drawing: Studio) -> None:
    """Whoever finds it ends it, and stops what is under way."""
    job_id = await begun(saga, acme, drawing)
    saga.services.kill("executor")
    saga.services.query(
        "executor",
        "UPDATE job SET cancel_requested_at = now(), wished_by = 'service:gateway',"
        " held_until = now() - interval '1 day' WHERE job_id = %s RETURNING job_id",
        job_id,
    )
    await saga.services.restart("executor")
    await stopped(saga, acme, drawing, job_id, Job.STATE_CANCELED, "CANCELED")


async def test_of_a_job_whose_executor_died_over_the_last_look(saga: Saga, acme: str, drawing: Studio) -> None:
    """The time of the call was over when that began."""
    job_id = await begun(saga, acme, drawing)
    saga.services.kill("executor")
    query = saga.services.query
    query(
        "executor",
        "UPDATE work SET begun_at = begun_at - interval '1 h', until = until - interval '1 h'"
        " WHERE job_id = %s RETURNING 1",
        job_id,
    )
    query("executor", "UPDATE job SET held_until = now() - interval '1 day' WHERE job_id = %s RETURNING 1", job_id)
    await saga.services.restart("executor")
    await stopped(saga, acme, drawing, job_id, Job.STATE_FAILED, "TIMED_OUT")
