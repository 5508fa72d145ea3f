"""Work that a provider begins and is asked about: waited for, kept, its result and files fetched."""

import json
from typing import Any

import httpx
import pytest

from services.executor.providers import conversation
from services.executor.providers.begun import ANSWER_BYTES_MAX
from services.executor.rules.answers import Answer
from tests.executor.providers.script import KEY, Script, said

POLL: dict[str, Any] = {
    "request": {"url": "https://api.example.com/v1/tasks/${submitted.id}"},
    "status": "body.status",
    "done": ["done"],
    "failed": ["failed"],
    "refused": ["rejected"],
    "message": "body.error",
    "every_ms": 2_000,
}


async def test_work_is_waited_for(run: Any) -> None:
    """No more often than the manifest says, rarer as it goes on; the last answer is the one that counts."""
    script = Script(
        said(201, id="t/1", status="new"), said(status="new"), said(status="new"), said(status="done", text="x")
    )
    answer = await run(script, {"poll": POLL})
    assert json.loads(answer.output_json) == {"text": "x"}
    assert [f"{asked.method} {asked.url}" for asked in script.asked[1:]] == [
        "GET https://api.example.com/v1/tasks/t%2F1"
    ] * 3
    assert script.waits == sorted(script.waits)
    assert script.waits[0] >= 2


async def test_work_under_way_is_not_given_up(run: Any) -> None:
    """However long the provider is away: the work is billed, and the call's own time limit ends the wait."""
    away = [httpx.ConnectError("refused"), httpx.ReadError("reset"), said(503), said(500), said(429), said(502)]
    script = Script(said(id="1", status="new"), *away, said(status="done", text="x"))
    answer = await run(script, {"poll": POLL})
    assert json.loads(answer.output_json) == {"text": "x"}
    assert max(script.waits) <= conversation.POLL_SECONDS_MAX * 1.5


async def test_what_was_begun_is_kept_before_it_is_looked_at(run: Any) -> None:
    """Without the secret, once; another one goes on with it at once, and asks for nothing."""
    script = Script(
        said(201, id="t1", status="new", key=f"is {KEY}"), said(status="new"), said(status="done", text="x")
    )
    await run(script, {"poll": POLL})
    (kept,) = script.kept
    assert KEY.encode() not in kept.answer_json
    assert kept.context()["body"] == {"id": "t1", "status": "new", "key": "is ***"}
    assert kept.request_id == "r1"
    other = Script(httpx.Response(200, json={"status": "done", "text": "x"}))
    answer = await run(other, {"poll": POLL}, begun=kept)
    assert json.loads(answer.output_json) == {"text": "x"}
    assert other.reports[0].request_id == "r1"
    assert [f"{asked.method} {asked.url.path}" for asked in other.asked] == ["GET /v1/tasks/t1"]
    assert (other.waits, other.kept) == ([0], [])


async def test_what_names_a_file_is_kept_before_that_is_fetched(run: Any) -> None:
    """It is made and billed; another one fetches it."""
    picture = httpx.Response(200, content=b"PNG", headers={"content-type": "image/png"})
    members = {"response": {"fetch": {"picture": "body.url"}, "output": {"picture": "${files.picture}"}}}
    script = Script(said(url="https://files.example.com/a.png"), picture)
    first = await run(script, members)
    other = Script(picture)
    assert (await run(other, members, begun=script.kept[0])).output_json == first.output_json
    assert [asked.method for asked in other.asked] == ["GET"]


async def test_what_is_all_or_too_much_is_not_kept(run: Any) -> None:
    """An answer after which nothing is asked, or a large one; that work goes on without."""
    script = Script(said(text="x"))
    await run(script)
    large = Script(said(id="1", status="new", more="x" * ANSWER_BYTES_MAX), said(status="done", text="x"))
    assert (await run(large, {"poll": POLL})).answer is Answer.OUTPUT
    assert script.kept == large.kept == []


async def test_a_file_that_was_made_is_not_given_up(run: Any) -> None:
    """Nor is the answer that holds it asked for again."""
    picture = httpx.Response(200, content=b"PNG", headers={"content-type": "image/png"})
    away = [httpx.Response(503), httpx.ConnectError("refused"), httpx.ReadError("reset"), httpx.Response(500)]
    script = Script(said(url="https://files.example.com/a.png"), *away, picture)
    members = {"response": {"fetch": {"picture": "body.url"}, "output": {"picture": "${files.picture}"}}}
    answer = await run(script, members)
    assert json.loads(answer.output_json) == {"picture": "data:image/png;base64,UE5H"}


async def test_a_file_that_is_gone_is(run: Any) -> None:
    """It will not come back."""
    script = Script(said(url="https://files.example.com/a.png"), httpx.Response(404))
    members = {"response": {"fetch": {"picture": "body.url"}, "output": {"picture": "${files.picture}"}}}
    answer = await run(script, members)
    assert (answer.reason, answer.message) == (
        "PROVIDER_ANSWER_UNREADABLE",
        "the file that the provider made answers with status 404",
    )


async def test_a_request_that_cannot_be_made_is_not_the_providers_fault(run: Any) -> None:
    """Nothing is sent."""
    script = Script()
    request = {"url": "https://api.example.com/v1/tasks", "json": {"n": "${length(input.missing)}"}}
    answer = await run(script, {"request": request})
    assert (answer.reason, script.asked) == ("TOOL_FAILED", [])


@pytest.mark.parametrize(
    ("status", "answer", "reason"),
    [("failed", Answer.FAILED, "PROVIDER_FAILED"), ("rejected", Answer.REFUSED, "")],
)
async def test_work_that_ends_otherwise_says_why(run: Any, status: str, answer: Answer, reason: str) -> None:
    """In the provider's words."""
    ended = await run(Script(said(id="1", status="new"), said(status=status, error="no cats")), {"poll": POLL})
    assert (ended.answer, ended.reason) == (answer, reason)
    assert "no cats" in ended.message


async def test_the_secret_goes_to_no_other_host(run: Any) -> None:
    """Whatever URL the provider gives to look at."""
    script = Script(said(id="1", status="new", url="https://evil.example.org/t"))
    poll = POLL | {"request": {"url": "${submitted.url}"}}
    answer = await run(script, {"poll": poll})
    assert answer.reason == "PROVIDER_ANSWER_UNREADABLE"
    assert "evil.example.org" in answer.message
    assert len(script.asked) == 1


async def test_a_result_is_asked_for_when_the_work_is_done(run: Any) -> None:
    """Where the last look does not hold it."""
    script = Script(
        said(id="1", status="new"),
        said(status="done"),
        httpx.Response(200, content=b"MP4", headers={"content-type": "video/mp4"}),
    )
    members = {
        "poll": POLL,
        "result": {"method": "GET", "url": "https://api.example.com/v1/tasks/${submitted.id}/content"},
        "response": {"read": "binary", "output": {"video": "${body}"}},
    }
    answer = await run(script, members)
    assert json.loads(answer.output_json) == {"video": "data:video/mp4;base64,TVA0"}


async def test_files_are_fetched_without_the_secret(run: Any) -> None:
    """From hosts that the manifest names, at the address that was looked at."""
    picture = httpx.Response(200, content=b"PNG", headers={"content-type": "image/png"})
    script = Script(said(urls=["https://files.example.com/a.png", "https://files.example.com/b.png"]), picture, picture)
    members = {"response": {"fetch": {"pictures": "body.urls"}, "output": {"pictures": "${files.pictures}"}}}
    answer = await run(script, members)
    assert json.loads(answer.output_json) == {"pictures": ["data:image/png;base64,UE5H"] * 2}
    for asked in script.asked[1:]:
        assert "authorization" not in asked.headers
        assert (asked.url.host, asked.headers["host"]) == ("93.184.216.34", "files.example.com")
        assert asked.extensions["sni_hostname"] == "files.example.com"


@pytest.mark.parametrize(
    "url", ["https://evil.example.org/a", "http://files.example.com/a", "https://files.example.com:8443/a", 7]
)
async def test_files_come_from_nowhere_else(run: Any, url: object) -> None:
    """Nothing is asked there."""
    script = Script(said(url=url))
    members = {"response": {"fetch": {"picture": "body.url"}, "output": {"picture": "${files.picture}"}}}
    assert (await run(script, members)).reason == "PROVIDER_ANSWER_UNREADABLE"
    assert len(script.asked) == 1
