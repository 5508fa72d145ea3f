"""Jobs whose outcome is not known, and whose provider is asked about them: real services, a provider that does the work
and hangs up before it has said so."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from scrip.executor.v1 import events_pb2, executor_pb2

from tests.executor import studio
from tests.executor.saga import Saga
from tests.executor.studio import BASE_MICROS, GIVEN, KEY, PATIENCE_SECONDS, PICTURE_MICROS, TOOL, Gallery, Studio
from tests.harness.reconciled import reconciled
from tests.harness.waiting import eventually

Job = executor_pb2.Job
ENDINGS = (events_pb2.EVENT_KIND_JOB_SUCCEEDED, events_pb2.EVENT_KIND_JOB_FAILED)
DRAWN = BASE_MICROS + 2 * PICTURE_MICROS


@pytest.fixture
def drawing(gallery: Gallery) -> Iterator[Studio]:
    """The provider."""
    gallery.drawing = Studio()
    yield gallery.drawing
    gallery.drawing.may_tell.set()


@pytest.fixture
async def saga(gallery: Gallery, drawing: Studio) -> AsyncIterator[Saga]:
    """One executor runs, after the test as well."""
    services = gallery.services
    if not services.runs("executor"):
        await services.start("executor")
    yield Saga(services)
    await services.close_peers()


@pytest.fixture
async def short_lease(saga: Saga) -> AsyncIterator[None]:
    """In this test the executor has leases of a second."""
    services = saga.services
    services.kill("executor")
    services.settings["executor"] = {"SCRIP_LEASE_SECONDS": "1"}
    await services.start("executor")
    yield
    services.kill("executor")
    services.settings.clear()


async def unknown(saga: Saga, acme: str, job_id: str) -> Job:
    """The job once nobody knows how it ended."""

    async def is_unknown() -> Job | None:
        job = await saga.job(acme, job_id)
        return job if job.indeterminate_at.seconds else None

    job: Job = await eventually(is_unknown, 20)
    return job


async def begun(saga: Saga, acme: str, *, polled: bool = False, **limits: int) -> str:
    """A job of the tool, on the one executor that runs."""
    await studio.apply(saga, studio.manifest(polled=polled, **limits))
    return await saga.begin(acme, GIVEN, TOOL)


async def settled_by_inspection(saga: Saga, acme: str, job_id: str, captured: int) -> Job:
    """The job, which ended once, as its provider told, at that price; nothing is held any more."""
    job = await saga.settled(acme, job_id)
    assert (job.captured_micros, job.attempts) == (captured, 1)
    assert job.inspections >= 1
    ended = [event async for event in saga.events() if event.kind in ENDINGS and event.job_id == job_id]
    told = [(event.cause, event.actor, event.provider) for event in ended]
    assert told == [("SETTLED_BY_INSPECTION", "service:executor", "studio")]
    credits = await saga.credits(acme)
    assert (credits.reserved_micros, credits.spent_micros) == (0, captured)
    await reconciled(saga.services)
    return job


@pytest.mark.parametrize("polled", [False, True], ids=["answered", "polled"])
async def test_work_that_was_done_is_found_and_charged_once(
    saga: Saga, acme: str, drawing: Studio, polled: bool
) -> None:
    """As if its answer had come: output, units, and the provider's id of it."""
    job_id = await begun(saga, acme, polled=polled)
    job = await settled_by_inspection(saga, acme, job_id, DRAWN)
    assert (job.state, job.output_json, dict(job.units)) == (Job.STATE_SUCCEEDED, b'{"text":"a fox"}', {"image": 2})
    assert (job.provider_request_id, bool(job.indeterminate_at.seconds)) == ("p1", True)
    assert [attempt.ending for attempt in job.attempts_made] == ["NO_ANSWER"]
    assert drawing.began == 1


@pytest.mark.parametrize("polled", [False, True], ids=["answered", "polled"])
async def test_work_that_is_under_way_is_looked_at_until_it_is_done(
    saga: Saga, acme: str, drawing: Studio, polled: bool
) -> None:
    """Reserved until then, and asked for once."""
    drawing.state = "drawing"
    job_id = await begun(saga, acme, polled=polled)
    await eventually(lambda: drawing.asked.count("GET /pictures") >= 2, 20)
    assert (await saga.job(acme, job_id)).state == Job.STATE_INDETERMINATE
    assert (await saga.credits(acme)).reserved_micros > 0
    drawing.state = "drawn"
    assert (await settled_by_inspection(saga, acme, job_id, DRAWN)).state == Job.STATE_SUCCEEDED
    assert drawing.began == 1


@pytest.mark.parametrize("polled", [False, True], ids=["answered", "polled"])
async def test_work_that_failed_costs_what_its_tool_says(saga: Saga, acme: str, drawing: Studio, polled: bool) -> None:
    """As if the provider had answered so; its sentence is told, our secret is not."""
    drawing.state = "failed"
    job = await settled_by_inspection(saga, acme, await begun(saga, acme, polled=polled), BASE_MICROS)
    assert (job.state, job.error.reason) == (Job.STATE_FAILED, "PROVIDER_FAILED")
    assert "no paint" in job.error.message
    assert KEY not in job.error.message + saga.services.last_words("executor")


@pytest.mark.usefixtures("short_lease")
async def test_work_that_was_never_begun_costs_nothing(saga: Saga, acme: str, drawing: Studio) -> None:
    """That there is none is believed when the time of the call is over, and a lease: before, it may be on its way."""
    drawing.is_deaf = True
    job_id = await begun(saga, acme, timeout_ms=4_000)
    await unknown(saga, acme, job_id)
    assert await asyncio.to_thread(drawing.inspected.wait, 20)
    job = await settled_by_inspection(saga, acme, job_id, 0)
    assert (job.state, job.error.reason) == (Job.STATE_FAILED, "NEVER_BEGUN")
    assert job.finished_at.ToMilliseconds() - job.started_at.ToMilliseconds() >= 5_000
    assert drawing.began == 1


async def test_another_executor_goes_on_when_the_inspector_is_killed(saga: Saga, acme: str, drawing: Studio) -> None:
    """kill -9 during a look: the turn ends by itself, and the next one is another's; nobody asks for the work again."""
    services = saga.services
    drawing.may_tell.clear()
    services.kill("executor")
    await services.start("executor-2")
    await studio.apply(saga, studio.manifest())
    job_id = await Saga(services, "executor-2").begin(acme, GIVEN, TOOL)
    assert await asyncio.to_thread(drawing.inspected.wait, 20)
    services.kill("executor-2")
    await services.start("executor")
    turn = "SELECT inspect_at > now() + interval '60 s', inspections FROM job WHERE job_id = %s"
    assert services.query("executor", turn, job_id) == [(True, 1)], "it is still the dead one's"
    services.query("executor", "UPDATE job SET inspect_at = now() WHERE job_id = %s RETURNING job_id", job_id)
    drawing.may_tell.set()
    assert (await settled_by_inspection(saga, acme, job_id, DRAWN)).state == Job.STATE_SUCCEEDED
    assert (drawing.began, drawing.asked.count("GET /pictures")) == (1, 2)


async def test_an_operator_who_settles_during_a_look_has_settled(saga: Saga, acme: str, drawing: Studio) -> None:
    """What is seen afterwards changes nothing."""
    drawing.may_tell.clear()
    job_id = await begun(saga, acme)
    assert await asyncio.to_thread(drawing.inspected.wait, 20)
    request = executor_pb2.SettleJobRequest(job_id=job_id, state=Job.STATE_FAILED, reason="it is not on the bill")
    await saga.executor.call(saga.executor_stub.SettleJob, request)
    drawing.may_tell.set()
    await eventually(lambda: "settled_meanwhile" in saga.services.last_words("executor"), PATIENCE_SECONDS)
    job = await saga.settled(acme, job_id)
    assert (job.state, job.captured_micros) == (Job.STATE_FAILED, 0)
    ended = [event.cause async for event in saga.events() if event.kind in ENDINGS and event.job_id == job_id]
    assert ended == ["SETTLED_BY_OPERATOR"]


async def test_a_tool_that_cannot_be_inspected_is_left_alone(saga: Saga, acme: str, drawing: Studio) -> None:
    """It has its turn once, which does not count, and no more."""
    await studio.apply(saga, studio.manifest(inspected=False))
    job_id = await saga.begin(acme, GIVEN, TOOL)
    await unknown(saga, acme, job_id)

    def is_left() -> bool:
        turns = "SELECT inspections FROM job WHERE job_id = %s AND inspect_at = 'infinity'"
        return saga.services.query("executor", turns, job_id) == [(0,)]

    await eventually(is_left, 20)
    assert drawing.asked == ["POST /pictures"]
