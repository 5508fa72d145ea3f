"""Executions and jobs followed as server-sent events, through the running system; the provider is on this machine."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from services.gateway import sse
from services.runtime.errors import Refusal
from tests.executor.providers.double import provider
from tests.executor.talker import TOOL, Stage, Talker, providers_at
from tests.gateway.conftest import SERVICES, Account, System, problem
from tests.harness.databases import Databases
from tests.harness.processes import Services
from tests.harness.shared import shared_services
from tests.harness.waiting import eventually

GIVEN = {"message": "What is a semaphore? One sentence.", "max_tokens": 100}
WORDS = [f"word{number} " for number in range(20)]
TEXT = "".join(WORDS)
ACCEPT = "text/event-stream"


@dataclass
class Event:
    """One event as it came."""

    name: str
    id: str
    data: Any


class Stream:
    """The events of an answer, as far as they were read."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.told: list[Event] = []
        self._lines = response.aiter_lines()

    async def read(self, until: str = "") -> "Stream":
        """Reads on until an event of that name, or to the end."""
        members: dict[str, str] = {}
        async with asyncio.timeout(40):
            async for line in self._lines:
                if line and not line.startswith(":"):
                    name, _, value = line.partition(": ")
                    members[name] = value
                elif members:
                    self.told.append(Event(members["event"], members["id"], json.loads(members["data"])))
                    members = {}
                    if self.told[-1].name == until:
                        return self
        return self

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.told]

    @property
    def text(self) -> str:
        """What was said, put together; each piece follows the one before."""
        text = ""
        for event in self.told:
            if event.name == "chunk":
                assert event.data["offset"] == len(text)
                text += event.data["text"]
        return text


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The provider of all tests."""
    yield Stage()


@pytest.fixture(scope="module")
def speaking(databases: Databases, stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """The services, with the provider called at the double."""
    folder = tmp_path_factory.mktemp("speaking")
    with provider(stage.answer) as double, shared_services(databases, folder) as services:
        services.providers = providers_at(double.url)
        services.settings["executor"] = {"SCRIP_LEASE_SECONDS": "5"}
        asyncio.run(services.start(*SERVICES))
        yield services
        stage.talker.let_go()


@pytest.fixture
async def system(speaking: Services) -> AsyncIterator[System]:
    """The running system; an executor has reported its tools."""
    system = System(speaking)
    async with system.client:
        await eventually(lambda: system.tool_is_available(TOOL), 20, lambda: speaking.last_words("executor"))
        yield system


@pytest.fixture
def talker(stage: Stage) -> Iterator[Talker]:
    """What the provider says in this test."""
    stage.talker = Talker(WORDS)
    yield stage.talker
    stage.talker.let_go()


@contextlib.asynccontextmanager
async def executing(
    system: System, account: Account, tool: str = TOOL, given: Any = None, **headers: str
) -> AsyncIterator[Stream]:
    """POST …/execute for a stream; header names with _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with system.client.stream(
        "POST",
        f"/v1/tools/{tool}/execute",
        json={"input": given or GIVEN},
        headers={"Accept": ACCEPT} | account.headers | named,
    ) as response:
        yield Stream(response)


async def test_a_text_is_streamed_as_it_comes(system: System, talker: Talker) -> None:
    """Chunks come before the provider has ended; the outcome is last and what the plain answer would be."""
    account = await system.account()
    go_on = talker.pause(5)
    async with executing(system, account, Prefer="respond-async") as stream:
        await stream.read("chunk")
        assert not talker.hung_up.is_set()
        go_on.set()
        await stream.read()
    assert stream.response.status_code == 200
    assert stream.response.headers["content-type"].startswith(ACCEPT)
    assert "preference-applied" not in stream.response.headers
    assert stream.names[0] == "accepted"
    assert stream.names[-1] == "outcome"
    assert stream.names.count("outcome") == 1
    assert stream.text == TEXT
    job_id = stream.told[0].data["job_id"]
    *numbers, last = [f"{job_id}/{n}" for n in range(1, len(stream.told) + 1)]
    assert [event.id for event in stream.told] == [*numbers, f"{last}/end"]
    outcome = stream.told[-1].data
    found = (await system.client.get(f"/v1/jobs/{job_id}", headers=account.headers)).json()
    (attempt,) = found.pop("attempts")
    assert (outcome, attempt["ending"]) == (found, "ANSWERED")
    assert outcome["output"] == {"text": TEXT, "complete": True}
    assert outcome["credits"]["settled"]
    assert (await system.credits(account))["spent"] == outcome["credits"]["captured"] == "0.02535"


async def test_a_plain_answer_has_all_of_it(system: System, talker: Talker) -> None:
    """Who does not ask for a stream gets the output of the same tool."""
    account = await system.account()
    response = await system.execute(account, GIVEN, TOOL)
    assert response.json()["output"] == {"text": TEXT, "complete": True}


async def test_a_refusal_is_no_stream(system: System) -> None:
    """What is refused before there is a job is answered as ever, with its status."""
    account = await system.account("0.001")
    async with executing(system, account) as stream:
        await stream.response.aread()
        assert problem(stream.response) == (402, "INSUFFICIENT_CREDITS")
    async with executing(system, account, given={"massage": "x"}) as stream:
        await stream.response.aread()
        assert problem(stream.response) == (422, "INPUT_INVALID")


async def test_a_key_streams_its_job_again(system: System, talker: Talker) -> None:
    """Accepted and outcome of the first one; it is called once and paid once."""
    account = await system.account()
    async with executing(system, account, Idempotency_Key="k") as first:
        await first.read()
    async with executing(system, account, Idempotency_Key="k") as second:
        await second.read()
    assert second.response.headers["idempotent-replayed"] == "true"
    assert second.names == ["accepted", "outcome"]
    assert second.told[-1].data == first.told[-1].data
    assert len(talker.asked) == 1


async def test_a_client_that_goes_away_ends_nothing(system: System, talker: Talker) -> None:
    """The job goes on; whoever follows it later is told all from the beginning, and events are counted on."""
    account = await system.account()
    go_on = talker.pause(5)
    async with executing(system, account) as stream:
        await stream.read("chunk")
    job_id = stream.told[0].data["job_id"]
    path = f"/v1/jobs/{job_id}/events"
    headers = account.headers | {"Last-Event-ID": stream.told[-1].id}
    async with system.client.stream("GET", path, headers=headers) as response:
        followed = await Stream(response).read("chunk")
        go_on.set()
        await followed.read()
    number = len(stream.told)
    assert followed.told[0].id == f"{job_id}/{number + 1}"
    assert followed.text == TEXT
    assert followed.told[-1].data["status"] == "SUCCEEDED"


async def test_who_reads_slowly_misses_nothing(system: System, talker: Talker) -> None:
    """The rest comes in longer pieces."""
    account = await system.account()
    talker.words = ["x" * 500 for _ in range(60)]
    async with executing(system, account, given=GIVEN | {"max_tokens": 16_000}) as stream:
        await stream.read("accepted")
        assert await asyncio.to_thread(talker.hung_up.wait, 20)
        await stream.read()
    assert stream.told[-1].data["output"]["text"] == "x" * 30_000
    assert stream.text == "x" * 30_000


async def test_a_job_that_ended_is_told_at_once(system: System, talker: Talker) -> None:
    """As it is; a job of nobody, or of somebody else, is not."""
    account, other = await system.account(), await system.account()
    job_id = (await system.execute(account, GIVEN, TOOL)).json()["job_id"]
    path = f"/v1/jobs/{job_id}/events"
    async with system.client.stream("GET", path, headers=account.headers) as response:
        followed = await Stream(response).read()
    assert followed.names == ["accepted", "outcome"]
    told = await system.client.get(path, headers=account.headers | {"Last-Event-ID": followed.told[-1].id})
    assert (told.status_code, told.content) == (204, b"")
    assert problem(await system.client.get(path, headers=other.headers)) == (404, "JOB_NOT_FOUND")
    wrong = account.headers | {"Last-Event-ID": "job_x/1"}
    assert problem(await system.client.get(path, headers=wrong)) == (400, "REQUEST_INVALID")


async def test_an_executor_that_comes_back_is_followed_on(system: System, talker: Talker) -> None:
    """Nothing is told twice, and the outcome comes."""
    account = await system.account()
    async with executing(system, account, "echo", {"message": "x", "delay_seconds": 3}) as stream:
        await stream.read("accepted")
        system.services.kill("executor")
        await system.services.restart("executor")
        await stream.read()
    assert stream.names.count("accepted") == stream.names.count("outcome") == 1
    assert stream.told[-1].data["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, False),
        ("*/*", False),
        ("application/json", False),
        ("text/event-stream", True),
        ("application/json;q=0.5, Text/Event-Stream ;q=0.9", True),
        ("text/event-stream;q=0", False),
    ],
)
def test_a_stream_is_had_by_asking_for_it(accept: str | None, expected: bool) -> None:
    """By its media type, in whatever place."""
    assert sse.is_wanted(accept) is expected


@pytest.mark.parametrize("given", ["job_1", "job_1/x", "job_2/1", "/1", "job_1/-1", "job_1/1/1"])
def test_an_id_that_was_not_given_out_is_refused(given: str) -> None:
    """An id is `<job>/<n>`, the outcome's `<job>/<n>/end`, after which there is nothing."""
    assert sse.number_after("job_1/41", "job_1") == 42
    assert sse.number_after("job_1/41/end", "job_1") is None
    assert sse.number_after(None, "job_1") == 1
    with pytest.raises(Refusal, match="Last-Event-ID"):
        sse.number_after(given, "job_1")
