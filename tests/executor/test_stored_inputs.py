"""Jobs whose files are stored: fetched when they run, by handlers and by calls of providers."""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import cast

import pytest
from scrip.catalog.v1 import catalog_pb2
from scrip.executor.v1 import executor_pb2

from services.cli.local import nats
from services.executor.output_contents import OutputContents
from services.executor.running.inputs import InputGoneError, Inputs
from services.executor.store.rows import Claim, StoredFile
from services.runtime import ids, lifecycle
from services.runtime.broker import Broker
from services.runtime.errors import Refusal
from services.runtime.objects import Objects, Stored
from services.runtime.topology import FILES_BUCKET
from tests.executor.providers.double import Answer, Asked, Double, provider
from tests.executor.saga import Saga
from tests.harness.processes import Services
from tests.harness.waiting import eventually
from tests.system import samples

Job = executor_pb2.Job
KEY = "deepgram-key-of-the-test"
SOUND = ids.random_bytes(5_000_000)
TRANSCRIPT = {
    "metadata": {"duration": 2.5, "request_id": "r-1"},
    "results": {"channels": [{"alternatives": [{"transcript": "hello", "confidence": 0.9}]}], "utterances": []},
}


def deepgram(asked: Asked) -> Answer:
    """Reads a text aloud, always the same; takes the sound as the body, whole."""
    assert asked.headers["authorization"] == f"Token {KEY}"
    if asked.path.startswith("/v1/speak"):
        return Answer(headers={"content-type": "audio/mpeg"}, body=SOUND)
    assert asked.headers["content-type"] == "audio/mpeg"
    assert asked.body == SOUND
    return Answer(body=json.dumps(TRANSCRIPT).encode())


@pytest.fixture
def double() -> Iterator[Double]:
    """The provider."""
    with provider(deepgram) as double:
        yield double


@pytest.fixture
async def objects(nats_url: str) -> AsyncIterator[Objects]:
    """What the gateway stores files in."""
    broker = Broker(nats_url, "test")
    async with lifecycle.background(broker.keep_connected):
        await eventually(lambda: broker.client)
        yield Objects(broker, FILES_BUCKET)
        await broker.close()


@pytest.fixture
async def saga(services: Services, double: Double) -> AsyncIterator[Saga]:
    """The services, with the provider called at the double."""
    services.providers = {
        "SCRIP_SECRET_DEEPGRAM_API_KEY": KEY,
        "SCRIP_PROVIDER_BASES": f"https://api.deepgram.com={double.url}",
    }
    await services.start("ledger", "catalog", "executor")
    saga = Saga(services)
    await saga.account("acme")
    yield saga


async def store(objects: Objects, content: bytes, name: str = "file_1") -> Stored:
    async def chunks() -> AsyncIterator[bytes]:
        yield content

    return await objects.put(name, chunks())


@dataclass(frozen=True)
class Given:
    """A tool's only file."""

    tool: str
    property: str
    media_type: str
    content: bytes
    file_id: str = "file_1"

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def file(self, **members: object) -> catalog_pb2.InputFile:
        """As the gateway tells it."""
        told = {"property": self.property, "media_type": self.media_type, "file_id": self.file_id}
        return catalog_pb2.InputFile(**{**told, "size_bytes": len(self.content), "digest": self.digest, **members})

    async def begin(self, saga: Saga) -> str:
        """Quote, reserve, submit; the job's id."""
        value = {self.property: f"sha256:{self.digest}"}
        quote = await saga.quote("acme", self.tool, value, [self.file()])
        await saga.reserve(quote)
        await saga.submit(quote, value, files=[self.file()])
        return quote.job_id


PDF = Given("pdf-to-text", "pdf", "application/pdf", samples.pdf(samples.TEXT))
AUDIO = Given("transcribe-deepgram", "audio", "audio/mpeg", SOUND)


async def test_a_provider_is_sent_the_file(saga: Saga, objects: Objects, double: Double) -> None:
    """All of it, as it was stored."""
    await store(objects, SOUND)
    job = await saga.settled("acme", await AUDIO.begin(saga))
    assert job.state == Job.STATE_SUCCEEDED, job.error
    assert json.loads(job.output_json)["text"] == "hello"
    assert len(double.asked) == 1


async def test_what_one_provider_has_made_another_is_sent(saga: Saga, double: Double) -> None:
    """It is told piece by piece, to its account alone; deleted, it is nobody's input any more."""
    made = await saga.settled("acme", await saga.begin("acme", {"text": "Hello"}, "tts-deepgram"))
    file_id = json.loads(made.output_json)["audio"].removeprefix("file:")
    request = executor_pb2.ReadFileRequest(account_id="acme", file_id=file_id)
    first, *rest = [one async for one in saga.executor.stream(saga.executor_stub.ReadFile, request, 20)]
    assert (first.file.job_id, first.file.pointer, first.file.name) == (made.job_id, "/audio", "audio.mp3")
    assert b"".join(one.data for one in rest) == SOUND
    given = replace(AUDIO, file_id=file_id)
    job = await saga.settled("acme", await given.begin(saga))
    assert json.loads(job.output_json)["text"] == "hello", job.error
    assert len(double.asked) == 2
    request.account_id = "other"
    with pytest.raises(Refusal, match="FILE_NOT_FOUND"):
        await anext(saga.executor.stream(saga.executor_stub.ReadFile, request, 20))
    delete = executor_pb2.DeleteFileRequest(account_id="acme", file_id=file_id)
    await saga.executor.call(saga.executor_stub.DeleteFile, delete)
    gone = await saga.settled("acme", await given.begin(saga))
    assert (gone.error.reason, gone.captured_micros) == ("INPUT_EXPIRED", 0)


async def test_a_job_whose_file_is_gone_costs_nothing(saga: Saga, objects: Objects, double: Double) -> None:
    """Nor is its tool called; the same where the file is not what it was."""
    lost = await saga.settled("acme", await AUDIO.begin(saga))
    await store(objects, SOUND[::-1])
    other = await saga.settled("acme", await AUDIO.begin(saga))
    for job in (lost, other):
        assert (job.state, job.error.reason, job.captured_micros) == (Job.STATE_FAILED, "INPUT_EXPIRED", 0)
        assert job.attempts == 0
    assert double.asked == []
    assert (await saga.credits("acme")).reserved_micros == 0


async def test_a_job_waits_for_the_object_store(saga: Saga, objects: Objects, nats_server: nats.Server) -> None:
    """While NATS is down it is in the queue; it runs when NATS is back."""
    await store(objects, PDF.content)
    nats_server.kill()
    job_id = await PDF.begin(saga)
    assert (await saga.job("acme", job_id)).state == Job.STATE_QUEUED
    nats_server.start()
    job = await saga.settled("acme", job_id)
    assert (job.state, job.attempts) == (Job.STATE_SUCCEEDED, 1)
    assert samples.TEXT in json.loads(job.output_json)["text"]


# Only uploaded files are asked for.
NO_OUTPUTS = cast("OutputContents", None)
WRONG: list[tuple[str, dict[str, object], str]] = [
    ("too large", {"size_bytes": 64 * 1024 * 1024 + 1}, "INPUT_TOO_LARGE"),
    ("less than nothing", {"size_bytes": -1}, "REQUEST_INVALID"),
    ("no digest", {"digest": "x"}, "REQUEST_INVALID"),
    ("content besides", {"data": b"x"}, "REQUEST_INVALID"),
]


async def test_a_stored_file_is_told_in_full(saga: Saga) -> None:
    """What does not fit is refused, by the catalog for a quote and by the executor for a job."""
    value = {"pdf": f"sha256:{PDF.digest}"}
    good = await saga.quote("acme", "pdf-to-text", value, [PDF.file()])
    for what, members, reason in WRONG:
        with pytest.raises(Refusal) as quoted:
            await saga.quote("acme", "pdf-to-text", value, [PDF.file(**members)])
        with pytest.raises(Refusal) as submitted:
            await saga.submit(good, value, files=[PDF.file(**members)])
        assert (quoted.value.reason, submitted.value.reason) == (reason, reason), what


def claim(*sizes: int) -> Claim:
    """A claim with stored files of these sizes."""
    made = Claim(None, b"", b"{}")  # type: ignore[arg-type]
    made.stored = {str(index): StoredFile("f", size, "") for index, size in enumerate(sizes)}
    return made


async def test_stored_files_in_memory_are_bounded_over_all_calls(objects: Objects) -> None:
    """Who finds no room waits in turn; one that gives up waiting lets the next one in."""
    inputs = Inputs(objects, NO_OUTPUTS, 100)
    order: list[str] = []

    async def use(name: str, size: int, until: asyncio.Event) -> None:
        async with inputs.room(claim(size)):
            order.append(name)
            await until.wait()

    ends = {name: asyncio.Event() for name in "abcd"}
    tasks = {}
    for name, size in (("a", 60), ("b", 60), ("c", 60), ("d", 40)):
        tasks[name] = asyncio.create_task(use(name, size, ends[name]))
        await asyncio.sleep(0)
    assert order == ["a"]
    tasks["b"].cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await tasks["b"]
    ends["a"].set()
    await tasks["a"]
    await eventually(lambda: order == ["a", "c", "d"])
    for name in "cd":
        ends[name].set()
        await tasks[name]
    async with inputs.room(claim(50, 50)):
        order.append("all")
    assert order == ["a", "c", "d", "all"]


async def test_a_files_content_is_with_the_claim_only_while_it_runs(objects: Objects) -> None:
    """What came inline stays."""
    stored = await store(objects, b"abc")
    inputs = Inputs(objects, NO_OUTPUTS, 100)
    held = claim(3)
    held.stored["0"] = StoredFile("file_1", 3, stored.digest)
    held.files["x"] = b"x"
    async with inputs.room(held):
        await inputs.fetch(held)
        assert held.files == {"x": b"x", "0": b"abc"}
    assert held.files == {"x": b"x"}
    held.stored["0"] = replace(held.stored["0"], file_id="file_2")
    with pytest.raises(InputGoneError):
        await inputs.fetch(held)
