"""A call of a provider from first request to answer: what is sent again, what errors mean, where the secret goes."""

import json
from typing import Any

import httpx
import pytest

from services.executor.providers import circuit
from services.executor.providers.client import NoAnswerError
from services.executor.providers.health import Health, ProviderDownError
from services.executor.providers.retry_budget import RETRIES_A_CALL, RETRIES_MAX
from services.executor.rules.answers import Answer
from tests.executor.providers.script import KEY, RUN, Script, said


async def test_an_answer_becomes_the_output(run: Any) -> None:
    """With the provider's id, its status, and the units it says."""
    script = Script(said(text="meow", used="2.2"))
    answer = await run(script, units="body.used")
    assert json.loads(answer.output_json) == {"text": "meow"}
    (report,) = script.reports
    assert (answer.units, report.request_id, report.status, report.usage) == ({"": 3}, "r1", 200, {"": 3})
    assert json.loads(script.asked[0].content) == {"prompt": "a cat"}
    assert script.asked[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("status", [429, 503, 529])
async def test_what_says_that_nothing_was_done_is_sent_again(run: Any, status: int) -> None:
    """For any tool, a few times."""
    script = Script(said(status), said(status), said(text="meow"))
    assert (await run(script)).answer is Answer.OUTPUT
    assert len(script.asked) == 3
    script = Script(*[said(status)] * 3)
    assert (await run(script)).reason == "PROVIDER_UNAVAILABLE"


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_what_may_have_been_done_is_sent_again_only_where_that_is_safe(run: Any, status: int) -> None:
    """The others end with the first."""
    script = Script(said(status), said(text="meow"))
    assert (await run(script, may_repeat=True)).answer is Answer.OUTPUT
    script = Script(said(status))
    assert (await run(script)).reason == "PROVIDER_UNAVAILABLE"


async def test_what_never_left_is_sent_again(run: Any) -> None:
    """Until it is clear that nobody is there."""
    script = Script(httpx.ConnectError("refused"), said(text="meow"))
    assert (await run(script)).answer is Answer.OUTPUT
    answer = await run(Script(*[httpx.ConnectTimeout("late")] * 3))
    assert (answer.reason, answer.message) == ("PROVIDER_UNAVAILABLE", "the provider cannot be reached")


async def test_without_an_answer_nobody_knows(run: Any) -> None:
    """A tool that may be called twice is; for another it is the job that decides."""
    script = Script(httpx.ReadError("reset"))
    with pytest.raises(NoAnswerError):
        await run(script)
    assert [report.status for report in script.reports] == [0]
    script = Script(httpx.ReadError("reset"), said(text="meow"))
    assert (await run(script, may_repeat=True)).answer is Answer.OUTPUT


async def test_retries_have_a_budget(run: Any) -> None:
    """A provider that takes no more for now is not asked more and more."""
    health = Health(16)
    counts = []
    for _ in range(20):
        script = Script(said(429), said(429), said(200, text="x"))
        answer = await run(script, health=health)
        counts.append(len(script.asked))
        assert (answer.reason == "PROVIDER_UNAVAILABLE") == (len(script.asked) < 3)
    assert counts[:5] == [3] * 5
    assert sum(counts) - 20 <= RETRIES_MAX + 20 * RETRIES_A_CALL


@pytest.mark.parametrize(
    ("answer", "may_repeat", "waits"),
    [(503, False, True), (500, False, False), (500, True, True), (400, True, False)],
)
async def test_where_the_provider_is_down_a_call_that_did_nothing_can_wait(
    run: Any, answer: int, may_repeat: bool, waits: bool
) -> None:
    """Others end as they always do."""
    health = Health(16)
    for _ in range(circuit.FAILURES_IN_A_ROW - 1):
        await run(Script(said(500)), health=health)
    script = Script(said(answer))
    if waits:
        with pytest.raises(ProviderDownError):
            await run(script, may_repeat=may_repeat, health=health)
    else:
        assert (await run(script, may_repeat=may_repeat, health=health)).answer is not Answer.OUTPUT
    assert len(script.asked) == 1


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"retry-after": "7"}, 7, 7),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25, 0.25),
        ({"retry-after": "-3"}, 0, 0),
        ({"retry-after": "nan"}, 0, 0.5),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0, 0.5),
        ({}, 0, 0.5),
    ],
)
async def test_a_provider_that_says_when_is_asked_then(
    run: Any, headers: dict[str, str], least: float, most: float
) -> None:
    """Within bounds."""
    script = Script(httpx.Response(429, headers=headers), said(text="meow"))
    await run(script)
    (wait,) = script.waits
    assert least <= wait <= most


async def test_a_provider_that_wants_to_be_left_alone_for_long_is(run: Any) -> None:
    """The call does not wait for it, and costs nothing."""
    script = Script(httpx.Response(429, headers={"retry-after": "31"}))
    answer = await run(script)
    assert (answer.reason, answer.worked, script.waits) == ("PROVIDER_UNAVAILABLE", False, [])


@pytest.mark.parametrize(
    ("answers", "reason", "worked"),
    [
        ([httpx.ConnectError("refused")] * 3, "PROVIDER_UNAVAILABLE", False),
        ([said(503)] * 3, "PROVIDER_UNAVAILABLE", False),
        ([said(401)], "PROVIDER_KEY", False),
        ([said(402)], "PROVIDER_QUOTA", False),
        ([said(500)], "PROVIDER_UNAVAILABLE", True),
        ([said(302)], "PROVIDER_FAILED", True),
        ([httpx.Response(304)], "PROVIDER_FAILED", True),
    ],
)
async def test_what_was_not_done_is_told_as_that(run: Any, answers: list[Any], reason: str, worked: bool) -> None:
    """Never reached, busy, or about our account there: that costs nothing."""
    answer = await run(Script(*answers))
    assert (answer.answer, answer.reason, answer.worked) == (Answer.FAILED, reason, worked)


async def test_what_may_have_been_done_before_is_not_forgotten(run: Any) -> None:
    """The second answer speaks for the second call alone."""
    script = Script(httpx.ReadError("reset"), said(429), said(429))
    assert (await run(script, may_repeat=True)).worked


@pytest.mark.parametrize(
    ("status", "body", "answer", "reason"),
    [
        (400, {"error": {"message": "bad prompt"}}, Answer.REJECTED, ""),
        (451, {"error": {"message": "bad prompt"}}, Answer.REFUSED, ""),
        (402, {"error": {"message": "bad prompt"}}, Answer.FAILED, "PROVIDER_QUOTA"),
        (401, {"error": {"message": "bad prompt"}}, Answer.FAILED, "PROVIDER_KEY"),
        (418, {"error": {"message": "bad prompt"}}, Answer.FAILED, "PROVIDER_FAILED"),
    ],
)
async def test_an_error_means_what_its_status_says(
    run: Any, status: int, body: dict[str, Any], answer: Answer, reason: str
) -> None:
    """What concerns our account there is not for callers."""
    script = Script(said(status, **body))
    ended = await run(script)
    assert (ended.answer, ended.reason, script.reports[0].status) == (answer, reason, status)
    assert ("bad prompt" in ended.message) == (reason not in ("PROVIDER_QUOTA", "PROVIDER_KEY"))


async def test_a_manifest_may_say_what_an_error_means(run: Any) -> None:
    """The first rule that fits, before the status."""
    rules = [
        {"when": "body.code == 'quota'", "means": "quota"},
        {"when": "status == `400`", "means": "refused", "message": "body.why"},
    ]
    assert (await run(Script(said(400, code="quota")), {"errors": rules})).reason == "PROVIDER_QUOTA"
    ended = await run(Script(said(400, code="other", why="unsafe")), {"errors": rules})
    assert (ended.answer, ended.message) == (Answer.REFUSED, "the provider refused this content: unsafe")


@pytest.mark.parametrize("status", [200, 400, 500])
async def test_what_a_manifest_calls_busy_did_nothing(run: Any, status: int) -> None:
    """It is sent again as after 429, whatever the status, and costs nothing."""
    members = {"errors": [{"when": "body.busy", "means": "retry"}]}
    script = Script(said(status, busy=True), said(text="meow"))
    assert (await run(script, members)).answer is Answer.OUTPUT
    script = Script(*[said(status, busy=True)] * 3)
    answer = await run(script, members)
    assert (answer.reason, answer.worked, len(script.asked)) == ("PROVIDER_UNAVAILABLE", False, 3)


async def test_a_refusal_may_hide_behind_success(run: Any) -> None:
    """And so may a failure."""
    response = RUN["response"] | {"refused": "body.stop == 'refusal'", "failed": "body.error", "message": "body.why"}
    ended = await run(Script(said(stop="refusal", why="unsafe")), {"response": response})
    assert (ended.answer, ended.message) == (Answer.REFUSED, "the provider refused this content: unsafe")
    assert (await run(Script(said(error=True)), {"response": response})).reason == "PROVIDER_FAILED"


async def test_nobody_hears_the_secret(run: Any) -> None:
    """Not even from a provider that says it back."""
    ended = await run(Script(said(400, message=f"key {KEY} may not do that")))
    assert KEY not in ended.message + ended.detail
    assert "key *** may not" in ended.message


async def test_an_output_does_not_have_the_secret(run: Any) -> None:
    """An answer may repeat the URL that it was asked by."""
    auth = {"place": "query", "name": "key", "secret": "key"}
    text = f"https://api.example.com/v1/tasks?key={KEY}"
    answer = await run(Script(said(text={"self": text, KEY: [text]})), {"auth": auth})
    masked = "https://api.example.com/v1/tasks?key=***"
    assert json.loads(answer.output_json) == {"text": {"self": masked, "***": [masked]}}


async def test_without_its_secret_nothing_is_sent(run: Any) -> None:
    """The job ends, and costs nothing."""
    script = Script()
    ended = await run(script, {"auth": {"place": "bearer", "secret": "other"}})
    assert (ended.reason, script.asked) == ("SECRET_MISSING", [])


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        ({"place": "header", "name": "x-api-key"}, "x-api-key", KEY),
        ({"place": "header", "prefix": "Token "}, "authorization", f"Token {KEY}"),
        ({"place": "basic"}, "authorization", "Basic c2stdmVyeS1zZWNyZXQ6"),
    ],
)
async def test_the_secret_goes_where_the_provider_wants_it(
    run: Any, auth: dict[str, str], header: str, value: str
) -> None:
    """Each has its own way."""
    script = Script(said(text="x"))
    await run(script, {"auth": {"secret": "key"} | auth})
    assert script.asked[0].headers[header] == value


async def test_the_secret_may_go_into_the_query(run: Any) -> None:
    """For providers that want that."""
    script = Script(said(text="x"))
    await run(script, {"auth": {"place": "query", "name": "key", "secret": "key"}})
    assert script.asked[0].url.params["key"] == KEY
