"""Server-sent events: what becomes of a job, as a text/event-stream."""

import re
from collections.abc import AsyncIterator

import msgspec
from litestar.response import Stream
from scrip.executor.v1 import executor_pb2

from services.gateway import mapping, shapes
from services.gateway.departures import Departures
from services.gateway.live import Accepted, Chunk, Event, LiveJobs, Outcome, Progress
from services.runtime.errors import Refusal, invalid
from services.runtime.pulling import Pulled

MEDIA_TYPE = "text/event-stream"
HEARTBEAT_SECONDS = 15.0
STREAMS_MAX = 2_000
_HEARTBEAT = b": heartbeat\n\n"
# Proxies are told to pass each event on at once.
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
# The outcome's says that it is the end: who has that is not to come again.
_END = "/end"
_EVENT_ID = re.compile(rf"(?P<job>[\x21-\x7e]{{1,128}})/(?P<n>[0-9]{{1,15}})(?P<end>{_END})?")
_ENCODER = msgspec.json.Encoder()


def is_wanted(accept: str | None) -> bool:
    """Whether an `Accept` header names text/event-stream."""
    for part in (accept or "").split(","):
        media_type, *parameters = (one.strip().lower() for one in part.split(";"))
        if media_type == MEDIA_TYPE:
            return not any(re.fullmatch(r"q\s*=\s*0(\.0*)?", one) for one in parameters)
    return False


def number_after(last_event_id: str | None, job_id: str) -> int | None:
    """The number that follows that of a `Last-Event-ID`, None where that was the outcome's; raises REQUEST_INVALID
    where it is not one of this job's."""
    if not last_event_id:
        return 1
    found = _EVENT_ID.fullmatch(last_event_id)
    if found is None or found["job"] != job_id:
        raise invalid("Last-Event-ID", "must be the id of an event of this job")
    return None if found["end"] else int(found["n"]) + 1


class Streams:
    """All streams of this process."""

    def __init__(self, live: LiveJobs, departures: Departures) -> None:
        self._live = live
        self._departures = departures
        self._count = 0

    def check_room(self) -> None:
        """Raises UPSTREAM_UNAVAILABLE where there are as many streams as there may be."""
        if self._count >= STREAMS_MAX:
            raise Refusal(
                "UPSTREAM_UNAVAILABLE",
                f"{STREAMS_MAX} streams are open here, which is the limit; try again shortly",
                {"dependency": "gateway", "limit": STREAMS_MAX, "retry_after_seconds": 1},
            )

    def execution(self, job: executor_pb2.Job, headers: dict[str, str]) -> Stream:
        """What becomes of a job, for the client that asked for it to be run: where it goes away, the tool may want that
        to be the end."""
        return self._answer(job, 1, headers, is_execution=True)

    def follow(self, job: executor_pb2.Job, number: int) -> Stream:
        """What becomes of a job, for anybody; events are counted from `number`."""
        return self._answer(job, number, {}, is_execution=False)

    def _answer(self, job: executor_pb2.Job, number: int, headers: dict[str, str], is_execution: bool) -> Stream:
        return Stream(
            self._lines(job, number, is_execution), status_code=200, media_type=MEDIA_TYPE, headers=headers | _HEADERS
        )

    async def _lines(self, job: executor_pb2.Job, number: int, is_execution: bool) -> AsyncIterator[bytes]:
        self._count += 1
        is_told = False
        try:
            with Pulled(self._live.events(job)) as news:
                while not news.is_over:
                    event = await news.next(HEARTBEAT_SECONDS)
                    if event is not None:
                        is_told = isinstance(event, Outcome)
                        yield line_of(event, f"{job.job_id}/{number}")
                        number += 1
                    elif not news.is_over:
                        yield _HEARTBEAT
        finally:
            self._count -= 1
            if is_execution and not is_told:
                self._departures.left(job)


def line_of(event: Event, event_id: str) -> bytes:
    """One event as it is sent."""
    match event:
        case Accepted(job):
            return _line("accepted", event_id, mapping.job(job))
        case Progress(job):
            return _line("progress", event_id, mapping.job(job))
        case Chunk(text, offset):
            return _line("chunk", event_id, shapes.Chunk(text, offset))
        case Outcome(job):
            return _line("outcome", event_id + _END, mapping.job(job))


def _line(name: str, event_id: str, shape: msgspec.Struct) -> bytes:
    return b"event: %s\nid: %s\ndata: %s\n\n" % (name.encode(), event_id.encode(), _ENCODER.encode(shape))
