"""Jobs whose tool says its answer piece by piece, through the real services; the provider listens on this machine."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from scrip.executor.v1 import executor_pb2

from services.runtime.errors import Refusal
from tests.executor.providers.double import Double, provider
from tests.executor.saga import Saga
from tests.executor.talker import TOOL, Stage, Talker, price, providers_at
from tests.harness.databases import Databases
from tests.harness.processes import Services
from tests.harness.shared import shared_services

Job = executor_pb2.Job
MESSAGE = "What is a semaphore? One sentence."
GIVEN = {"message": MESSAGE, "max_tokens": 100}


WORDS = [f"word{number} " for number in range(20)]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The provider of all tests."""
    yield Stage()


@pytest.fixture
def talker(stage: Stage) -> Iterator[Talker]:
    """What the provider says in this test."""
    stage.talker = Talker(WORDS)
    yield stage.talker
    stage.talker.let_go()


async def begun(services: Services, double: Double) -> None:
    """The services, with the provider called at the double, and an account."""
    services.providers = providers_at(double.url)
    await services.start("ledger", "catalog", "executor")
    await Saga(services).account("acme")


@pytest.fixture(scope="module")
def shared(databases: Databases, stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """The services, started once for all tests that leave them as they are."""
    folder = tmp_path_factory.mktemp("streams")
    with provider(stage.answer) as double, shared_services(databases, folder) as services:
        asyncio.run(begun(services, double))
        yield services
        stage.talker.let_go()


@pytest.fixture
async def saga(shared: Services) -> Saga:
    """Calls to the shared services."""
    return Saga(shared)


@pytest.fixture
async def own_saga(services: Services, stage: Stage) -> AsyncIterator[Saga]:
    """Calls to services of this test."""
    with provider(stage.answer) as double:
        await begun(services, double)
        yield Saga(services)
        stage.talker.let_go()


class Execution:
    """A call of ExecuteTool, and what it told."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self.told: list[executor_pb2.ExecuteToolResponse] = []

    async def read(self, until: str = "outcome") -> "Execution":
        """Reads on until an event of that kind."""
        async with asyncio.timeout(40):
            while not self.told or self.told[-1].WhichOneof("event") != until:
                self.told.append(await anext(self._call))
        return self

    async def leave(self) -> None:
        """Goes away."""
        await self._call.aclose()

    @property
    def kinds(self) -> list[str | None]:
        return [one.WhichOneof("event") for one in self.told]

    @property
    def text(self) -> str:
        """What was said, put together; each piece follows the one before."""
        text = ""
        for one in self.told:
            if one.WhichOneof("event") == "chunk":
                assert one.chunk.offset == len(text)
                text += one.chunk.text
        return text

    @property
    def outcome(self) -> Job:
        return self.told[-1].outcome


async def execute(saga: Saga, given: dict[str, Any] = GIVEN) -> Execution:
    """Quote, reserve, ExecuteTool."""
    quote = await saga.quote("acme", TOOL, given)
    await saga.reserve(quote)
    submission = executor_pb2.SubmitJobRequest(quote=quote, input_json=json.dumps(given).encode())
    request = executor_pb2.ExecuteToolRequest(submission=submission)
    return Execution(saga.executor.stream(saga.executor_stub.ExecuteTool, request, 60))


async def test_a_text_is_told_as_it_comes(saga: Saga, talker: Talker) -> None:
    """Before the provider has said all of it; the outcome has the whole, and costs what the provider says."""
    go_on = talker.pause(5)
    execution = await (await execute(saga)).read("chunk")
    assert not talker.hung_up.is_set()
    go_on.set()
    await execution.read()
    assert execution.kinds[0] == "accepted"
    assert execution.kinds.count("outcome") == 1
    job = execution.outcome
    assert (job.state, job.settlement) == (Job.STATE_SUCCEEDED, Job.SETTLEMENT_SETTLED)
    assert json.loads(job.output_json) == {"text": "".join(talker.words), "complete": True}
    assert execution.text == "".join(talker.words)
    assert dict(job.units) == {"input_token": 9, "output_token": 20}
    assert job.captured_micros == price(9, 20)


async def test_what_is_not_told_is_counted(saga: Saga, talker: Talker) -> None:
    """Where the provider does not say what it used, the tokens of input and output are charged."""
    talker.tells_usage = False
    execution = await (await execute(saga)).read()
    assert execution.outcome.state == Job.STATE_SUCCEEDED
    assert execution.outcome.captured_micros == talker.cost_of(MESSAGE)


async def test_a_cut_stream_costs_what_was_said(saga: Saga, talker: Talker) -> None:
    """Wherever it is cut; before the first word, nothing. Nothing stays reserved."""
    chance = random.Random(7)
    spent = (await saga.credits("acme")).spent_micros
    for cut_at in [0, 10, *(chance.randrange(60, 1_500) for _ in range(8))]:
        talker.sent, talker.cut_at = "", cut_at
        execution = await (await execute(saga)).read()
        job = execution.outcome
        assert (job.state, job.error.reason) == (Job.STATE_FAILED, "STREAM_CUT")
        assert execution.text == talker.sent
        assert job.captured_micros == talker.cost_of(MESSAGE), cut_at
        assert job.settlement == Job.SETTLEMENT_SETTLED
        spent += job.captured_micros
    credits = await saga.credits("acme")
    assert (credits.spent_micros, credits.reserved_micros) == (spent, 0)


async def test_a_stream_ends_at_what_is_reserved(saga: Saga, talker: Talker) -> None:
    """A provider that does not stop is stopped: the job succeeds with what came, says so, and costs no more."""
    talker.words = [f"word{number} " for number in range(5_000)]
    execution = await (await execute(saga)).read()
    job = execution.outcome
    assert job.state == Job.STATE_SUCCEEDED
    output = json.loads(job.output_json)
    assert (output["complete"], output["stopped"]) == (False, "limit")
    assert execution.text == output["text"]
    assert job.units["output_token"] == 100
    assert 0 < job.captured_micros <= job.reserved_micros
    assert "".join(talker.words).startswith(output["text"])
    assert await asyncio.to_thread(talker.hung_up.wait, 20)


async def test_who_follows_goes_and_the_job_goes_on(saga: Saga, talker: Talker) -> None:
    """The connection is nobody's job; a later follower is told all from the beginning."""
    go_on = talker.pause(5)
    execution = await (await execute(saga)).read("chunk")
    job_id = execution.told[0].accepted.job_id
    await execution.leave()
    request = executor_pb2.WatchJobRequest(account_id="acme", job_id=job_id, live=True)
    watch = saga.executor.stream(saga.executor_stub.WatchJob, request, 60)
    text = ""
    async with asyncio.timeout(40):
        async for told in watch:
            if told.HasField("chunk"):
                assert told.chunk.offset == len(text)
                text += told.chunk.text
                go_on.set()
    assert text == "".join(talker.words)
    assert (await saga.settled("acme", job_id)).state == Job.STATE_SUCCEEDED


async def test_another_executor_tells_it_too(own_saga: Saga, talker: Talker) -> None:
    """What was said before it was asked, and what is said from then on, as it comes."""
    first, second = talker.pause(5), talker.pause(10)
    execution = await (await execute(own_saga)).read("chunk")
    job_id = execution.told[0].accepted.job_id
    await own_saga.services.start("executor-2")
    elsewhere = Saga(own_saga.services, "executor-2")
    request = executor_pb2.WatchJobRequest(account_id="acme", job_id=job_id, live=True)
    text, state = "", Job.STATE_UNSPECIFIED
    async with asyncio.timeout(60):
        async for told in elsewhere.executor.stream(elsewhere.executor_stub.WatchJob, request, 60):
            if told.HasField("chunk"):
                assert told.chunk.offset == len(text)
                text += told.chunk.text
            else:
                state = told.job.state
            if text == "".join(talker.words[:5]):
                assert state == Job.STATE_RUNNING
                first.set()
            if text == "".join(talker.words[:10]):
                second.set()
    assert second.is_set()
    assert "".join(talker.words).startswith(text)
    assert state == Job.STATE_SUCCEEDED


async def test_a_replayed_execution_tells_its_outcome(saga: Saga, talker: Talker) -> None:
    """The same quote again leads to the same job."""
    quote = await saga.quote("acme", TOOL, GIVEN)
    await saga.reserve(quote)
    submission = executor_pb2.SubmitJobRequest(quote=quote, input_json=json.dumps(GIVEN).encode())
    request = executor_pb2.ExecuteToolRequest(submission=submission)
    for expected in (None, ["accepted", "outcome"]):
        call = saga.executor.stream(saga.executor_stub.ExecuteTool, request, 60)
        execution = await Execution(call).read()
        assert expected in (None, execution.kinds)
        assert json.loads(execution.outcome.output_json)["text"] == "".join(talker.words)
    assert len(talker.asked) == 1


async def test_an_executor_that_stops_ends_its_stream(own_saga: Saga, talker: Talker) -> None:
    """The job ends with what was said, and what that costs; nobody has to find out what became of it."""
    go_on = talker.pause(5)
    execution = await (await execute(own_saga)).read("chunk")
    job_id = execution.told[0].accepted.job_id
    own_saga.services.terminate("executor")
    await asyncio.to_thread(own_saga.services.wait, "executor")
    go_on.set()
    with contextlib.suppress(Refusal, StopAsyncIteration):
        await execution.read()
    await own_saga.services.restart("executor")
    job = await own_saga.settled("acme", job_id)
    assert (job.state, job.error.reason) == (Job.STATE_FAILED, "STREAM_CUT")
    assert 0 < job.captured_micros < job.reserved_micros


async def test_without_nats_the_outcome_comes_all_the_same(own_saga: Saga, talker: Talker, nats_server: Any) -> None:
    """And on the executor that runs the job, the text too."""
    nats_server.kill()
    execution = await (await execute(own_saga)).read()
    assert execution.outcome.state == Job.STATE_SUCCEEDED
    assert execution.text == "".join(talker.words)


async def test_other_tools_say_nothing_on_the_way(saga: Saga) -> None:
    """They are accepted, go on, and end."""
    quote = await saga.quote("acme", "echo", {"message": "x"})
    await saga.reserve(quote)
    submission = executor_pb2.SubmitJobRequest(quote=quote, input_json=b'{"message": "x"}')
    request = executor_pb2.ExecuteToolRequest(submission=submission)
    execution = await Execution(saga.executor.stream(saga.executor_stub.ExecuteTool, request, 60)).read()
    assert set(execution.kinds) <= {"accepted", "progress", "outcome"}
    assert execution.outcome.state == Job.STATE_SUCCEEDED
