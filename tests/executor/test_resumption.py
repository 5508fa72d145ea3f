"""Work that a provider has begun outlives the executor that asked for it: another one goes on, and asks for nothing."""

import json
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
from scrip.executor.v1 import executor_pb2

from tests.executor.providers.double import Answer, Asked, Double, provider
from tests.executor.saga import Saga
from tests.harness.processes import Services
from tests.harness.waiting import eventually

Job = executor_pb2.Job
TOOL = "transcribe-assemblyai"
GIVEN = {"audio_url": "https://example.com/a.mp3"}
KEY = "assemblyai-key-of-the-test"
TRANSCRIPT = "/v2/transcript"


class Assembly:
    """Begins transcripts, and says that they are done when a test wants it; `began` is how many there are."""

    def __init__(self) -> None:
        self.began = 0
        self.is_done = False

    def say(self, asked: Asked) -> Answer:
        """As AssemblyAI does; it says our key back, which nobody may keep."""
        assert asked.headers["authorization"] == KEY
        if (asked.method, asked.path) == ("POST", TRANSCRIPT):
            self.began += 1
            return self._said(id=f"t{self.began}", status="queued", token=KEY)
        assert (asked.method, asked.path) == ("GET", f"{TRANSCRIPT}/t1")
        if not self.is_done:
            return self._said(id="t1", status="processing")
        done = {"text": "Smoke.", "language_code": "en", "confidence": 0.9, "audio_duration": 281, "utterances": None}
        return self._said(id="t1", status="completed", error=None, **done)

    def _said(self, **body: object) -> Answer:
        return Answer(body=json.dumps(body).encode())


@pytest.fixture
def assembly() -> Assembly:
    """The provider."""
    return Assembly()


@pytest.fixture
def double(assembly: Assembly) -> Iterator[Double]:
    """Where it listens."""
    with provider(assembly.say) as double:
        yield double


@pytest.fixture
async def saga(services: Services, double: Double) -> AsyncIterator[Saga]:
    """The services; two executors, of which the second is given the jobs."""
    services.providers = {
        "SCRIP_SECRET_ASSEMBLYAI_API_KEY": KEY,
        "SCRIP_PROVIDER_BASES": f"https://api.assemblyai.com={double.url}",
    }
    services.settings["executor-2"] = {"SCRIP_DRAIN_SECONDS": "9"}
    await services.start("ledger", "catalog", "executor-2")
    saga = Saga(services)
    await saga.account("acme")
    yield saga


async def begin(saga: Saga, given: dict[str, object], tool: str) -> str:
    """A job that the second executor has claimed."""
    return await Saga(saga.services, "executor-2").begin("acme", given, tool)


async def looked_at(double: Double) -> None:
    """Returns when the work was looked at once, so that it is known here."""
    await eventually(lambda: any(asked.method == "GET" for asked in double.asked), 20)


def lease_ends(saga: Saga, job_id: str) -> None:
    """A dead worker's, now."""
    saga.services.query(
        "executor", "UPDATE job SET held_until = now() - interval '1 day' WHERE job_id = %s RETURNING 1", job_id
    )


async def charged_once(saga: Saga, job_id: str, assembly: Assembly) -> None:
    """The job succeeded by one work at the provider, at its price."""
    job = await saga.settled("acme", job_id)
    assert job.state == Job.STATE_SUCCEEDED, job.error
    assert assembly.began == 1
    assert job.captured_micros == 281 * 9_000
    assert (await saga.credits("acme")).spent_micros == job.captured_micros


async def test_work_of_a_killed_executor_is_gone_on_with(saga: Saga, assembly: Assembly, double: Double) -> None:
    """kill -9 of the one that looks: the other one looks, also where the tool may not be called twice."""
    services = saga.services
    job_id = await begin(saga, GIVEN, TOOL)
    await looked_at(double)
    services.kill("executor-2")
    lease_ends(saga, job_id)
    await services.start("executor")
    assembly.is_done = True
    await charged_once(saga, job_id, assembly)
    attempts = services.query("executor", "SELECT ending FROM attempt ORDER BY number")
    assert attempts == [("RESUMABLE",), ("ANSWERED",)]
    assert (await saga.credits("acme")).reserved_micros == 0
    kept = services.query("executor", "SELECT provider_request_id, convert_from(answer_json, 'UTF8') FROM work")
    assert [(request_id, KEY in answer) for request_id, answer in kept] == [("t1", False)]


async def test_an_executor_that_stops_hands_work_over_at_once(saga: Saga, assembly: Assembly, double: Double) -> None:
    """SIGTERM: it waits for calls that only it can end, and not for what another one can."""
    services = saga.services
    job_id = await begin(saga, GIVEN, TOOL)
    await looked_at(double)
    await services.start("executor")
    slow = await begin(saga, {"message": "x", "delay_seconds": 6}, "echo")

    async def runs() -> bool:
        return (await saga.job("acme", slow)).state == Job.STATE_RUNNING

    def attempts() -> list[tuple[object, ...]]:
        return services.query("executor", "SELECT ending FROM attempt WHERE job_id = %s ORDER BY number", job_id)

    await eventually(runs, 20)
    services.terminate("executor-2")
    await eventually(lambda: ("EXECUTOR_STOPPED",) in attempts(), 20)
    assert await runs(), "the one that stops is still at its own call"
    assembly.is_done = True
    await charged_once(saga, job_id, assembly)
    assert attempts() == [("EXECUTOR_STOPPED",), ("ANSWERED",)]
    assert (await saga.settled("acme", slow)).state == Job.STATE_SUCCEEDED


async def test_a_call_without_an_answer_stays_unknown(services: Services) -> None:
    """kill -9 between the request and the provider's answer: nobody asks again, and nobody pays yet."""
    killed = threading.Event()

    def hang(_asked: Asked) -> None:
        killed.wait(60)

    with provider(hang) as double:
        services.providers = {
            "SCRIP_SECRET_DEEPL_API_KEY": KEY,
            "SCRIP_PROVIDER_BASES": f"https://api.deepl.com={double.url}",
        }
        await services.start("ledger", "catalog", "executor-2")
        saga = Saga(services)
        await saga.account("acme")
        job_id = await begin(saga, {"texts": ["Hello"], "target_language": "DE"}, "translate-deepl")
        await eventually(lambda: double.asked, 20)
        services.kill("executor-2")
        killed.set()
        lease_ends(saga, job_id)
        await services.start("executor")

        async def is_unknown() -> bool:
            return (await saga.job("acme", job_id)).state == Job.STATE_INDETERMINATE

        await eventually(is_unknown, 20)
        assert len(double.asked) == 1
        assert (await saga.credits("acme")).spent_micros == 0
