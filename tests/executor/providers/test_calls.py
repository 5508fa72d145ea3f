"""A call of a provider from first request to answer: what is sent again, waited for, fetched, and never sent."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from services.executor.providers import circuit, conversation, hosts
from services.executor.providers.answers import ProviderCall
from services.executor.providers.begun import ANSWER_BYTES_MAX, Begun
from services.executor.providers.calls import Providers
from services.executor.providers.client import Client, NoAnswerError
from services.executor.providers.files import File
from services.executor.providers.health import Health, ProviderDownError, Visit
from services.executor.providers.metering import Counted, Meter
from services.executor.providers.plan import plan_of
from services.executor.providers.retry_budget import RETRIES_A_CALL, RETRIES_MAX
from services.executor.providers.secrets import Secrets
from services.executor.rules.answers import Answer, ToolAnswer
from services.executor.rules.jobs import ProviderReport
from services.executor.rules.output_files import EACH
from services.runtime.lifecycle import Signal

KEY = "sk-very-secret"
RUN: dict[str, Any] = {
    "kind": "http",
    "retry": "unsafe",
    "auth": {"place": "bearer", "secret": "key"},
    "hosts": ["files.example.com"],
    "request": {"url": "https://api.example.com/v1/tasks", "json": {"prompt": "${input.prompt}"}},
    "response": {"output": {"text": "${body.text}"}},
    "request_id": 'headers."x-request-id"',
}
POLL: dict[str, Any] = {
    "request": {"url": "https://api.example.com/v1/tasks/${submitted.id}"},
    "status": "body.status",
    "done": ["done"],
    "failed": ["failed"],
    "refused": ["rejected"],
    "message": "body.error",
    "every_ms": 2_000,
}


class Script:
    """Answers in order, an exception is raised; notes what was asked, and how long was waited."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []
        self.waits: list[float] = []
        self.reports: list[ProviderReport] = []
        self.kept: list[Begun] = []

    async def keep(self, begun: Begun) -> None:
        """Before anybody looks."""
        assert len(self.asked) == 1
        self.kept.append(begun)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Makes a call against a script."""

    async def made(
        script: Script,
        members: dict[str, Any] | None = None,
        may_repeat: bool = False,
        units: str = "",
        begun: Begun | None = None,
        health: Health | None = None,
        meter: Meter | None = None,
    ) -> ToolAnswer:
        async def note(seconds: float) -> None:
            script.waits.append(seconds)

        async def somewhere(_host: str) -> str:
            return "93.184.216.34"

        async def not_called_back(_signal: Signal, seconds: float) -> bool:
            script.waits.append(seconds)
            return False

        monkeypatch.setattr(conversation.asyncio, "sleep", note)
        monkeypatch.setattr(Signal, "wait", not_called_back)
        monkeypatch.setattr(hosts, "public_address", somewhere)
        client = Client({}, httpx.MockTransport(script))
        picture = File(b"PNG", "image/png", "picture")
        visit = (health or Health(16)).visit("api.example.com", resumes=False)
        assert isinstance(visit, Visit)
        call = ProviderCall(
            plan_of(RUN | (members or {})),
            {"prompt": "a cat"},
            {"picture": picture},
            may_repeat,
            {"": units} if units else {},
            begun=begun,
            keep=script.keep,
            visit=visit,
            job_id="job_1",
            file_places={("picture",): "image/*", ("pictures", EACH): "image/png"},
        )
        call.course.meter = meter
        try:
            return await Providers(client, Secrets(None, {"KEY": KEY})).run(call)
        finally:
            visit.leave()
            script.reports.append(call.course.report)

    return made


def said(_code: int = 200, /, **body: Any) -> httpx.Response:
    """An answer in JSON."""
    return httpx.Response(_code, json=body, headers={"x-request-id": "r1"})


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
