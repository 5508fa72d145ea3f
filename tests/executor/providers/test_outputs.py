"""What of a provider's answer is an output: its JSON, files, events and units."""

import base64
import json
from typing import Any

import httpx
import pytest

from services.executor.rules.answers import Answer
from tests.executor.providers.script import Script, said


@pytest.mark.parametrize(
    "content",
    [
        b'{"text": "x\\ud800y"}',
        b"[" * 200_000,
        b'{"text": [' + b"{}," * 600_000 + b"{}]}",
        b'{"text": NaN}',
        b'{"text": "x", "beside": -Infinity}',
        b'{"text": 1e999}',
        b'{"text": ' + b"9" * 400 + b".5}",
        b'{"text": ' + b"9" * 101 + b"}",
        b'{"text": ' + b"9" * 5_000 + b"}",
    ],
    ids=["half a pair", "deep", "many objects", "nan", "infinity", "1e999", "large", "long", "very long"],
)
async def test_what_cannot_be_read_is_no_output(run: Any, content: bytes) -> None:
    """Whatever is in it."""
    answer = await run(Script(httpx.Response(200, content=content)))
    assert (answer.answer, answer.reason) == (Answer.FAILED, "PROVIDER_ANSWER_UNREADABLE")


async def test_a_number_of_a_header_may_be_none(run: Any) -> None:
    """No JSON is read there."""
    response = {"output": {"seed": "${to_number(headers.seed)}"}}
    answer = await run(Script(httpx.Response(200, headers={"seed": "nan"})), {"response": response})
    assert (answer.answer, answer.reason) == (Answer.FAILED, "PROVIDER_ANSWER_UNREADABLE")


PICTURE: dict[str, Any] = {"response": {"read": "binary", "output": {"picture": "${body}"}}}


@pytest.mark.parametrize(
    ("media_type", "content", "says"),
    [
        ("image/png", b"", "is empty"),
        ("text/html; charset=utf-8", b"<html>sorry</html>", "text/html where image/* should be"),
        ("application/xhtml+xml", b"<html>sorry</html>", "should be"),
        ("application/problem+json", b"{}", "should be"),
        ("image/svg+xml", b"<svg/>", ""),
        ("application/octet-stream", b"PNG", ""),
        ("", b"PNG", ""),
    ],
)
async def test_a_file_is_what_the_schema_says(run: Any, media_type: str, content: bytes, says: str) -> None:
    """One that has nothing in it, or is a page in the place of a picture, is none."""
    headers = {"content-type": media_type} if media_type else {}
    answer = await run(Script(httpx.Response(200, content=content, headers=headers)), PICTURE)
    assert (answer.reason == "PROVIDER_ANSWER_UNREADABLE") == bool(says)
    assert says in answer.message


@pytest.mark.parametrize("picture", ["data:image/png;base64,", "data:text/html;base64,PGh0bWw+"])
async def test_a_file_that_a_template_made_is_looked_at_as_well(run: Any, picture: str) -> None:
    """Its URL says both."""
    members = {"response": {"output": {"picture": "${body.picture}"}}}
    assert (await run(Script(said(picture=picture)), members)).reason == "PROVIDER_ANSWER_UNREADABLE"


async def test_what_a_provider_says_can_be_written_down(run: Any) -> None:
    """Its message, and its id of the call, also where they hold what a database or a terminal does not take."""
    refusal = httpx.Response(400, content=b'{"message": "no\\u0000 \\ud800 \\u001b[31m"}')
    assert (await run(Script(refusal))).message == "the provider does not take this input: no     [31m"
    deep = await run(Script(httpx.Response(400, content=b"[" * 200_000)))
    assert deep.message == "the provider does not take this input"
    script = Script(httpx.Response(200, content=b'{"text": "x", "id": "a\\u0000\\ud800b"}'))
    assert (await run(script, {"request_id": "body.id"})).answer is Answer.OUTPUT
    assert script.reports[0].request_id == "a  b"


async def test_a_large_file_is_beside_the_output(run: Any) -> None:
    """As it was downloaded, or out of the base64 that the answer holds; the JSON names it."""
    content = bytes(100_000)
    picture = httpx.Response(200, content=content, headers={"content-type": "image/png"})
    members = {"response": {"fetch": {"picture": "body.url"}, "output": {"picture": "${files.picture}"}}}
    answer = await run(Script(said(url="https://files.example.com/a.png"), picture), members)
    (file,) = answer.output_files
    assert json.loads(answer.output_json) == {"picture": f"file:{file.file_id}"}
    assert (file.pointer, file.media_type, file.data) == ("/picture", "image/png", content)
    members = {"response": {"output": {"pictures": ["data:image/webp;base64,${body.b64}", "data:,x"]}}}
    answer = await run(Script(said(b64=base64.b64encode(content).decode())), members)
    (file,) = answer.output_files
    assert json.loads(answer.output_json) == {"pictures": [f"file:{file.file_id}", "data:,x"]}
    assert (file.pointer, file.media_type, file.data) == ("/pictures/0", "image/webp", content)


async def test_an_output_has_32_mebibytes_at_most(run: Any) -> None:
    """Of files; told with the numbers, and units are none of it."""
    members = {"response": {"read": "binary", "output": {"picture": "${body}"}}}
    content = bytes(32 * 1024 * 1024 + 1)
    answer = await run(Script(httpx.Response(200, content=content, headers={"content-type": "image/png"})), members)
    assert (answer.answer, answer.output_files) == (Answer.TOO_LARGE, ())
    assert "33,554,433 bytes; at most 33,554,432" in answer.message


async def test_events_are_read_as_an_array(run: Any) -> None:
    """Of a stream; its end says nothing."""
    body = 'event: start\ndata: {"d": "me"}\n\n: a comment\ndata: {"d":\ndata: "ow", "n": 2}\n\ndata: [DONE]\n\n'
    response = {"read": "sse", "output": {"text": "${join('', body[].d)}", "first": "${body[0].event}"}}
    stream = httpx.Response(200, content=body, headers={"content-type": "text/event-stream"})
    answer = await run(Script(stream), {"response": response}, units="body[-1].n")
    assert json.loads(answer.output_json) == {"text": "meow", "first": "start"}
    assert answer.units == {"": 2}


@pytest.mark.parametrize(
    ("expression", "units"),
    [
        ("divide(to_number(headers.credits), `0.01`)", 7),
        ("sum_of(body.parts, 'n')", 3),
        ("sum(body.parts[].n)", 3),
        ("sum_of(body.parts[:2], 'n')", 3),
        ("body.n", 4),
    ],
)
async def test_nobody_pays_for_what_floats_add(run: Any, expression: str, units: int) -> None:
    """A unit that is begun counts, an error of rounding does not."""
    answer = httpx.Response(
        200, headers={"credits": "0.07"}, json={"n": 3.001, "parts": [{"n": 0.1}, {"n": 2.7}, {"n": 0.2}]}
    )
    ended = await run(Script(answer), {"response": {"output": {}}}, units=expression)
    assert ended.units == {"": units}


@pytest.mark.parametrize("used", [None, "many", -1, True, [1]])
async def test_a_provider_that_does_not_say_what_it_used_is_not_understood(run: Any, used: Any) -> None:
    """Nothing is guessed, and nothing charged that was not said."""
    assert (await run(Script(said(text="x", used=used)), units="body.used")).reason == "PROVIDER_ANSWER_UNREADABLE"
