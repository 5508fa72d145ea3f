"""Answers that come as a stream: read, metered, cut and stopped."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from services.executor.providers.metering import Counted, Meter
from services.executor.rules.answers import Answer
from tests.executor.providers.script import Script, said

STREAM: dict[str, Any] = {
    "response": {
        "read": "ndjson",
        "stream": {"text": "say", "done": "end", "failed": "error", "usage": {"output": "used"}},
        "output": {"text": "${text}", "stopped": "${stopped}"},
    }
}


def streamed(*lines: dict[str, Any], cut: bool = False) -> httpx.Response:
    """A stream of lines; `cut`: the connection is lost after them."""

    async def pieces() -> AsyncIterator[bytes]:
        for line in lines:
            yield json.dumps(line).encode() + b"\n"
        if cut:
            raise httpx.ReadError("gone")

    return httpx.Response(200, content=pieces(), headers={"x-request-id": "r1"})


def meter(units_max: int | None = None) -> Meter:
    """Counts characters."""
    return Meter({"character": Counted()}, {}, None if units_max is None else {"character": units_max})


async def test_a_stream_is_read_as_it_comes(run: Any) -> None:
    """Its text is the output; units are those the provider says, else those counted."""
    said_all = [{"say": "me"}, {"say": None}, {"say": "ow"}, {"end": True}]
    answer = await run(Script(streamed(*said_all, {"used": 9})), STREAM, units="body[-1].used")
    assert (json.loads(answer.output_json), answer.units) == ({"text": "meow"}, {"": 9})
    answer = await run(Script(streamed(*said_all)), STREAM, units="body[-1].used", meter=meter())
    assert (json.loads(answer.output_json), answer.units) == ({"text": "meow"}, {"character": 4})
    answer = await run(Script(streamed(*said_all, cut=True)), STREAM, units="body[-1].used", meter=meter())
    assert (answer.answer, answer.units) == (Answer.OUTPUT, {"character": 4})


async def test_what_the_provider_said_of_a_part_is_counted_on(run: Any) -> None:
    """A stream that ended well, of whose last words the provider has not said what they used."""
    stream = streamed({"say": "me"}, {"used": 3}, {"say": "ow"}, {"end": True})
    answer = await run(Script(stream), STREAM, units="body[?used] | [-1].used", meter=meter())
    assert (answer.answer, answer.units) == (Answer.OUTPUT, {"character": 5})


@pytest.mark.parametrize(
    ("response", "units", "message"),
    [
        (streamed({"say": "me"}, cut=True), 2, "cut off"),
        (streamed({"say": "me"}), 2, "cut off"),
        (streamed({"say": "me"}, {"error": {"message": "no breath"}}), 2, "no breath"),
        (streamed(cut=True), 0, "cut off"),
        (streamed({"say": ""}, {"error": "x"}), 0, "x"),
    ],
    ids=["lost", "no end", "failed", "lost at once", "failed at once"],
)
async def test_a_stream_that_is_cut_has_used_what_it_said(
    run: Any, response: httpx.Response, units: int, message: str
) -> None:
    """It is not sent again, and the provider's id of it is kept."""
    script = Script(response)
    answer = await run(script, STREAM, units="body[-1].used", meter=meter())
    assert (answer.answer, answer.reason, answer.units) == (Answer.FAILED, "STREAM_CUT", {"character": units})
    assert message in answer.message
    assert (script.reports[0].request_id, script.reports[0].status) == ("r1", 200)


async def test_a_stream_that_said_nothing_is_sent_again_where_that_is_safe(run: Any) -> None:
    """Once it has said something, it is not."""
    script = Script(streamed(cut=True), streamed({"say": "meow"}, {"end": True}))
    answer = await run(script, STREAM, may_repeat=True, units="body[-1].used", meter=meter())
    assert answer.answer is Answer.OUTPUT
    script = Script(streamed({"say": "me"}, cut=True))
    answer = await run(script, STREAM, may_repeat=True, units="body[-1].used", meter=meter())
    assert answer.reason == "STREAM_CUT"


async def test_a_stream_is_stopped_at_its_bound(run: Any) -> None:
    """With what was said, and why it is not more."""
    script = Script(streamed(*[{"say": "meow"}] * 9, {"end": True}))
    answer = await run(script, STREAM, units="body[-1].used", meter=meter(10))
    assert json.loads(answer.output_json) == {"text": "meowmeowmeow", "stopped": "limit"}
    assert answer.units == {"character": 10}


@pytest.mark.parametrize("status", [400, 429, 500])
async def test_an_error_in_the_place_of_a_stream_has_used_nothing(run: Any, status: int) -> None:
    """It is read as any error is."""
    script = Script(*[said(status, error={"message": "no"})] * 3)
    answer = await run(script, STREAM, units="body[-1].used", meter=meter())
    assert answer.answer is not Answer.OUTPUT
    assert answer.reason != "STREAM_CUT"
    assert answer.units == {"character": 0}
