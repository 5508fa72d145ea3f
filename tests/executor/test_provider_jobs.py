"""Jobs whose tool is a call of a provider, through the real services; the provider is a server on this machine."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from scrip.catalog.v1 import catalog_pb2
from scrip.executor.v1 import events_pb2, executor_pb2

from services.runtime.errors import Refusal
from tests.executor.providers.double import Answer, Asked, Double, provider
from tests.executor.saga import Saga
from tests.harness.databases import Databases
from tests.harness.processes import Services
from tests.harness.shared import shared_services
from tests.harness.waiting import eventually

Job = executor_pb2.Job
TOOL = "translate-deepl"
GIVEN = {"texts": ["Hello", "world"], "target_language": "DE"}
KEY = "deepl-key-of-the-test"
ASK = catalog_pb2.QuotePriceRequest(account_id="acme", tool=TOOL, input_json=json.dumps(GIVEN).encode())


class Deepl:
    """Answers as DeepL does, or as a test wants."""

    def __init__(self) -> None:
        self.answer: Callable[[Asked], Answer | None] = self.translate

    def say(self, asked: Asked) -> Answer | None:
        """What it answers now."""
        return self.answer(asked)

    def translate(self, asked: Asked) -> Answer:
        """Each text backwards."""
        assert (asked.method, asked.path) == ("POST", "/v2/translate")
        assert asked.headers["authorization"] == f"DeepL-Auth-Key {KEY}"
        texts = json.loads(asked.body)["text"]
        said = [
            {"text": text[::-1], "detected_source_language": "EN", "billed_characters": len(text)} for text in texts
        ]
        return Answer(headers={"x-trace-id": "trace-1"}, body=json.dumps({"translations": said}).encode())


@pytest.fixture(scope="module")
def provided() -> Iterator[tuple[Deepl, Double]]:
    """The provider, and where it listens."""
    deepl = Deepl()
    with provider(deepl.say) as double:
        yield deepl, double


@pytest.fixture(scope="module")
def calling(
    databases: Databases, provided: tuple[Deepl, Double], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Services]:
    """The services, with the provider's key, and the provider called at the double."""
    with shared_services(databases, tmp_path_factory.mktemp("calling")) as services:
        services.providers = {
            "SCRIP_SECRET_DEEPL_API_KEY": KEY,
            "SCRIP_PROVIDER_BASES": f"https://api.deepl.com={provided[1].url}",
        }
        asyncio.run(services.start("ledger", "catalog", "executor"))
        yield services


@pytest.fixture
def deepl(provided: tuple[Deepl, Double]) -> Iterator[Deepl]:
    """The provider, as it is unless the test says otherwise."""
    deepl = provided[0]
    yield deepl
    deepl.answer = deepl.translate


@pytest.fixture
def double(provided: tuple[Deepl, Double]) -> Double:
    """What it was asked in this test."""
    double = provided[1]
    double.asked.clear()
    return double


@pytest.fixture
async def saga(calling: Services) -> AsyncIterator[Saga]:
    """Calls of the services."""
    yield Saga(calling)
    await calling.close_peers()


async def test_what_the_provider_used_is_charged(saga: Saga, acme: str, double: Double) -> None:
    """Less than was reserved; the provider's id of the call is with the job, its event and the ledger's."""
    job_id = await saga.begin(acme, GIVEN, TOOL)
    job = await saga.settled(acme, job_id)
    assert job.state == Job.STATE_SUCCEEDED, job.error
    assert json.loads(job.output_json)["translations"][0] == {"text": "olleH", "detected_language": "EN"}
    assert dict(job.units) == {"character": 10}
    assert job.captured_micros == 100_000 + 10 * 3_000 < job.reserved_micros
    assert len(double.asked) == 1
    services = saga.services
    found = services.query("executor", "SELECT provider_request_id, provider_status FROM job WHERE job_id = %s", job_id)
    assert found == [("trace-1", 200)]
    (attempt,) = job.attempts_made
    assert (attempt.number, attempt.ending, attempt.provider) == (1, "ANSWERED", "deepl")
    assert (attempt.provider_request_id, attempt.provider_status) == ("trace-1", 200)
    assert dict(attempt.provider_usage) == {"character": 10}
    succeeded = events_pb2.EVENT_KIND_JOB_SUCCEEDED
    (event,) = [event async for event in saga.events() if (event.job_id, event.kind) == (job_id, succeeded)]
    assert (event.provider, dict(event.provider_usage)) == ("deepl", {"character": 10})
    assert event.provider_latency_ms == attempt.provider_latency_ms > 0
    assert KEY not in services.last_words("executor")


async def test_what_the_provider_refuses_costs_nothing(saga: Saga, acme: str, deepl: Deepl) -> None:
    """The caller hears the provider's sentence."""
    deepl.answer = lambda asked: Answer(400, body=b'{"message": "Value for \'target_lang\' not supported."}')
    job = await saga.settled(acme, await saga.begin(acme, GIVEN, TOOL))
    assert (job.state, job.error.reason, job.captured_micros) == (Job.STATE_FAILED, "INPUT_REJECTED", 0)
    assert "'target_lang' not supported" in job.error.message
    assert (await saga.credits(acme)).reserved_micros == 0


async def test_what_the_provider_says_of_our_account_stays_here(saga: Saga, acme: str, deepl: Deepl) -> None:
    """It is for the log."""
    deepl.answer = lambda asked: Answer(403, body=json.dumps({"message": f"no such key {KEY}"}).encode())
    job = await saga.settled(acme, await saga.begin(acme, GIVEN, TOOL))
    assert (job.state, job.error.reason, job.captured_micros) == (Job.STATE_FAILED, "PROVIDER_KEY", 0)
    assert "no such key" not in job.error.message
    assert KEY not in saga.services.last_words("executor")


async def test_a_provider_that_hangs_up_leaves_the_job_open(
    saga: Saga, acme: str, deepl: Deepl, double: Double
) -> None:
    """It may have done the work: nobody pays and nobody gets the credits back until that is known."""
    deepl.answer = lambda asked: None
    job_id = await saga.begin(acme, GIVEN, TOOL)

    async def is_unknown() -> bool:
        return (await saga.job(acme, job_id)).state == Job.STATE_INDETERMINATE

    await eventually(is_unknown, 20)
    assert len(double.asked) == 1
    (attempt,) = (await saga.job(acme, job_id)).attempts_made
    assert (attempt.ending, attempt.provider, attempt.provider_status) == ("NO_ANSWER", "deepl", 0)
    credits = await saga.credits(acme)
    assert credits.reserved_micros > 0 == credits.spent_micros


async def test_without_the_key_the_tool_is_not_offered(running: Services) -> None:
    """A quote says why."""
    saga = Saga(running)
    await saga.quote("acme", "echo", {"message": "x"})
    with pytest.raises(Refusal, match="TOOL_UNAVAILABLE") as caught:
        await saga.catalog.call(saga.catalog_stub.QuotePrice, ASK)
    assert caught.value.metadata["unavailable_reason"] == "MISSING_SECRET"
    await running.close_peers()


async def test_many_calls_wait_side_by_side(saga: Saga, acme: str, deepl: Deepl, double: Double) -> None:
    """They need no process of their own: eight are under way at once."""
    all_there = threading.Barrier(8)

    def together(asked: Asked) -> Answer:
        all_there.wait(20)
        return deepl.translate(asked)

    deepl.answer = together
    job_ids = [await saga.begin(acme, GIVEN, TOOL) for _ in range(8)]
    jobs = [await saga.settled(acme, job_id) for job_id in job_ids]
    assert all(job.state == Job.STATE_SUCCEEDED for job in jobs)
    assert len(double.asked) == 8


async def test_a_call_that_must_not_be_made_twice_ends_before_its_executor(
    calling: Services, saga: Saga, acme: str, deepl: Deepl, double: Double
) -> None:
    """SIGTERM: it is waited for, for longer than such as may be cut off and made again."""
    asked, let_go = threading.Event(), threading.Event()

    def slow(request: Asked) -> Answer:
        asked.set()
        assert let_go.wait(30)
        return deepl.translate(request)

    deepl.answer = slow
    calling.settings["executor-2"] = {"SCRIP_DRAIN_SECONDS": "30"}
    await calling.start("executor-2")
    quote = await saga.quote(acme, TOOL, GIVEN)
    await saga.reserve(quote)
    await Saga(calling, "executor-2").submit(quote, GIVEN)
    assert await asyncio.to_thread(asked.wait, 20)
    calling.terminate("executor-2")
    await eventually(lambda: "calls_end_first" in calling.last_words("executor-2"), 20)
    let_go.set()
    job = await saga.settled(acme, quote.job_id)
    assert (job.state, job.attempts, len(double.asked)) == (Job.STATE_SUCCEEDED, 1, 1)
    assert await asyncio.to_thread(calling.wait, "executor-2") == 0
