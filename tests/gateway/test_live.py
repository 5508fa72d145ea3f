"""A job followed over an executor that comes and goes; the executor is told what to say."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from scrip.catalog.v1 import catalog_pb2
from scrip.executor.v1 import executor_pb2

from services.gateway import live, sse
from services.gateway.departures import Departures
from services.gateway.live import Accepted, Chunk, Event, LiveJobs, Outcome, Progress
from services.gateway.sse import Streams
from services.gateway.tool_copies import ToolCopies
from services.gateway.waiting import Waits
from services.runtime.errors import Refusal, unavailable
from services.runtime.pulling import Pulled
from tests.harness.waiting import eventually

Job = executor_pb2.Job
Told = executor_pb2.WatchJobResponse


def job(state: Any = Job.STATE_RUNNING, settlement: Any = Job.SETTLEMENT_PENDING, attempts: int = 1) -> Job:
    """A job as it is."""
    return Job(job_id="job_1", account_id="acme", state=state, settlement=settlement, attempts=attempts)


QUEUED = job(Job.STATE_QUEUED, attempts=0)
ENDED = job(Job.STATE_SUCCEEDED)
SETTLED = job(Job.STATE_SUCCEEDED, Job.SETTLEMENT_SETTLED)


def said(text: str, offset: int, attempt: int = 1) -> Told:
    """A chunk."""
    return Told(chunk=executor_pb2.Chunk(text=text, offset=offset, attempt=attempt))


class Script:
    """Watches of one job in order: what each tells, and how it ends; a number is a wait of so many seconds."""

    def __init__(self, *watches: list[Told | Refusal | float]) -> None:
        self.watches = list(watches)
        self.peer = self.stub = self
        self.WatchJob = None
        self.closed = 0

    async def stream(self, _method: object, request: executor_pb2.WatchJobRequest, _timeout: float) -> Any:
        """The next watch."""
        assert request == executor_pb2.WatchJobRequest(account_id="acme", job_id="job_1", live=True)
        try:
            for item in self.watches.pop(0):
                if isinstance(item, Refusal):
                    raise item
                if isinstance(item, float):
                    await asyncio.sleep(item)
                else:
                    yield item
        finally:
            self.closed += 1


async def followed(script: Script, first: Job = QUEUED, waits: Waits | None = None) -> list[Event]:
    """All that is told."""
    jobs = LiveJobs(cast("Any", script), waits or Waits())
    return [event async for event in jobs.events(first)]


async def test_each_step_is_told_once() -> None:
    """Accepted first, the outcome last, once it is settled."""
    script = Script(
        [
            Told(job=QUEUED),
            Told(job=job()),
            said("ab", 0),
            Told(job=job()),
            said("c", 2),
            Told(job=ENDED),
            Told(job=SETTLED),
        ]
    )
    assert await followed(script) == [
        Accepted(QUEUED),
        Progress(job()),
        Chunk("ab", 0),
        Chunk("c", 2),
        Outcome(SETTLED),
    ]


async def test_what_was_told_is_not_told_again() -> None:
    """Another watch begins at the beginning of the text, and may hold pieces of another size."""
    script = Script(
        [Told(job=job()), said("abc", 0), unavailable("executor")],
        [Told(job=job()), said("ab", 0), said("cde", 2), said("cde", 2), unavailable("executor")],
        [said("abcdef", 0), Told(job=SETTLED)],
    )
    events = await followed(script)
    assert events == [
        Accepted(QUEUED), Progress(job()), Chunk("abc", 0), Chunk("de", 3), Chunk("f", 5), Outcome(SETTLED),
    ]  # fmt: skip


async def test_another_attempt_begins_anew() -> None:
    """At 0; what an earlier one still says is nothing."""
    again = job(attempts=2)
    script = Script([said("abc", 0), Told(job=again), said("x", 0, 2), said("d", 3), Told(job=SETTLED)])
    events = await followed(script, job())
    assert events == [Accepted(job()), Chunk("abc", 0), Progress(again), Chunk("x", 0), Outcome(SETTLED)]


async def test_a_ledger_that_is_away_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The outcome is durable, and says itself that it is not settled."""
    monkeypatch.setattr(live, "SETTLED_SECONDS", 0.05)
    script = Script([Told(job=ENDED), 60.0])
    assert await followed(script) == [Accepted(QUEUED), Outcome(ENDED)]


@pytest.mark.parametrize("last", [SETTLED, job(Job.STATE_INDETERMINATE), job(Job.STATE_FAILED, Job.SETTLEMENT_REFUSED)])
async def test_what_is_final_is_told_at_once(last: Job) -> None:
    """Nobody is asked."""
    assert await followed(Script(), last) == [Accepted(last), Outcome(last)]


async def test_a_job_that_is_gone_ends_the_stream() -> None:
    """With what is known of it."""
    script = Script([Refusal("JOB_NOT_FOUND", "none")])
    assert await followed(script) == [Accepted(QUEUED), Outcome(QUEUED)]


async def test_a_gateway_that_stops_ends_its_streams() -> None:
    """With the job as it is."""
    waits = Waits()
    jobs = LiveJobs(cast("Any", Script([Told(job=job()), 60.0])), waits)
    told: list[Event] = []
    async for event in jobs.events(QUEUED):
        told.append(event)
        if isinstance(event, Progress):
            waits.end()
    assert told == [Accepted(QUEUED), Progress(job()), Outcome(job())]


class Left(Departures):
    """Who went away."""

    def __init__(self) -> None:
        self.jobs: list[str] = []

    def left(self, job: Job) -> None:
        self.jobs.append(job.job_id)


async def test_silence_is_filled_with_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are comments, and count as nothing."""
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.02)
    left = Left()
    streams = Streams(LiveJobs(cast("Any", Script([0.2, Told(job=SETTLED)])), Waits()), left)
    lines = [line async for line in streams._lines(QUEUED, 1, is_execution=True)]
    assert lines[0].startswith(b"event: accepted\nid: job_1/1\ndata: {")
    assert lines[-1].startswith(b"event: outcome\nid: job_1/2/end\ndata: {")
    assert set(lines[1:-1]) == {b": heartbeat\n\n"}
    assert left.jobs == []


@pytest.mark.parametrize("is_execution", [True, False])
async def test_who_goes_away_is_noticed_in_an_execution_alone(is_execution: bool) -> None:
    """Whatever is awaited then is let go."""
    left, script = Left(), Script([Told(job=job()), 60.0])
    streams = Streams(LiveJobs(cast("Any", script), Waits()), left)

    async def read() -> None:
        async for _line in streams._lines(QUEUED, 1, is_execution):
            begun.set()

    begun = asyncio.Event()
    reader = asyncio.create_task(read())
    await begun.wait()
    await eventually(lambda: not script.watches)
    reader.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await reader
    assert left.jobs == (["job_1"] if is_execution else [])
    await eventually(lambda: script.closed == 1)


async def test_an_item_that_is_late_is_not_lost() -> None:
    """It is there the next time; what fails is told to whoever waits."""

    async def items() -> AsyncIterator[int]:
        await asyncio.sleep(0.05)
        yield 1
        raise ValueError("no more")

    with Pulled(items()) as pulled:
        assert await pulled.next(0) is None
        assert await pulled.next(5) == 1
        with pytest.raises(ValueError, match="no more"):
            await pulled.next(5)


class OneTool:
    """A catalog that knows one tool."""

    def __init__(self, run_json: bytes) -> None:
        self.peer = self.stub = self
        self.GetTool = None
        self._tool = catalog_pb2.Tool(slug="talk", run_json=run_json)

    async def call(self, *_: object) -> catalog_pb2.GetToolResponse:
        """The tool."""
        return catalog_pb2.GetToolResponse(tool=self._tool)


@pytest.mark.parametrize(
    ("run_json", "expected"),
    [(b"", False), (b"{}", False), (b'{"on_disconnect": "continue"}', False), (b'{"on_disconnect": "cancel"}', True)],
)
async def test_a_tool_says_whether_a_client_that_goes_away_cancels_it(run_json: bytes, expected: bool) -> None:
    """Where it says nothing, the job goes on."""
    assert await ToolCopies(cast("Any", OneTool(run_json))).cancels_on_disconnect("talk") is expected
