"""What an inspection of a work sees at its provider, and what it comes to."""

import json
from typing import Any

import httpx
import pytest

from services.executor.providers.answers import ProviderCall
from services.executor.providers.calls import Providers
from services.executor.providers.client import Client
from services.executor.providers.inspections import Sight, UnseenError
from services.executor.providers.plan import plan_of
from services.executor.providers.secrets import Secrets
from services.executor.rules.answers import Answer, ToolAnswer

KEY, JOB = "sk-very-secret", "job_1"
URL = "https://api.example.com/v1/tasks"
RUN: dict[str, Any] = {
    "auth": {"place": "bearer", "secret": "key"},
    "request": {"url": URL, "json": {"prompt": "${input.prompt}", "reference": "${job.id}"}},
    "inspect": {
        "request": {"url": URL, "query": {"reference": "${job.id}"}},
        "absent": "status == `404` || body.tasks == `[]`",
        "work": "body.tasks[0]",
        "under_way": "body.status == 'running'",
    },
    "errors": [{"when": "body.status == 'busy'", "means": "retry"}],
    "response": {
        "output": {"text": "${body.text}"},
        "refused": "body.status == 'rejected'",
        "failed": "body.status == 'failed'",
        "message": "body.error",
    },
    "request_id": "body.id",
}
POLL: dict[str, Any] = {
    "inspect": {name: member for name, member in RUN["inspect"].items() if name != "under_way"},
    "poll": {
        "request": {"url": f"{URL}/${{submitted.id}}"},
        "status": "body.status",
        "done": ["done"],
        "failed": ["failed"],
    },
}


class Script:
    """Answers in order, an exception is raised; notes what was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def tasks(*found: dict[str, Any]) -> httpx.Response:
    return httpx.Response(200, json={"tasks": list(found)})


async def inspected(script: Script, members: dict[str, Any] | None = None, secrets: str = KEY) -> ToolAnswer:
    plan = plan_of(RUN | (members or {}))
    assert plan.inspect is not None
    call = ProviderCall(plan, {"prompt": "a cat"}, {}, False, {"": "body.used"}, job_id=JOB)
    known = Secrets(None, {"KEY": secrets} if secrets else {})
    answer = await Providers(Client({}, httpx.MockTransport(script)), known).inspect(call, plan.inspect)
    assert call.course.report.request_id == "t1"
    return answer


async def seen(script: Script, members: dict[str, Any] | None = None, secrets: str = KEY) -> Sight:
    with pytest.raises(UnseenError) as unseen:
        await inspected(script, members, secrets)
    return unseen.value.sight


async def test_work_that_is_done_is_read_as_the_answer_to_its_request() -> None:
    """Found by the job's id, with our secret; output and units are what the answer would have had."""
    script = Script(tasks({"id": "t1", "status": "done", "text": "meow", "used": 3}))
    answer = await inspected(script)
    assert (answer.answer, json.loads(answer.output_json), answer.units) == (Answer.OUTPUT, {"text": "meow"}, {"": 3})
    (asked,) = script.asked
    assert (asked.method, str(asked.url)) == ("GET", f"{URL}?reference={JOB}")
    assert asked.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("answer", "sight"),
    [
        (tasks(), Sight.ABSENT),
        (httpx.Response(404, json={}), Sight.ABSENT),
        (tasks({"id": "t1", "status": "running"}), Sight.UNDER_WAY),
        (tasks({"id": "t1", "status": "busy"}), Sight.UNTOLD),
        (httpx.Response(200, json={}), Sight.UNTOLD),
        (httpx.Response(200, content=b"<html>"), Sight.UNTOLD),
        (httpx.Response(500, json={"tasks": [{"id": "t1", "text": "meow"}]}), Sight.UNTOLD),
        (httpx.Response(401, json={}), Sight.UNTOLD),
        (httpx.Response(429, json={}), Sight.UNTOLD),
        (httpx.ConnectError("refused"), Sight.UNTOLD),
        (httpx.ReadError("cut"), Sight.UNTOLD),
    ],
)
async def test_what_tells_no_ending_is_no_ending(answer: httpx.Response | Exception, sight: Sight) -> None:
    """Only its own word that it has no such work is taken for that, and it is asked once."""
    script = Script(answer)
    assert await seen(script) is sight
    assert len(script.asked) == 1


@pytest.mark.parametrize("member", ["absent", "work", "under_way"])
async def test_an_answer_that_the_manifest_cannot_read_tells_nothing(member: str) -> None:
    """An expression that fails on it is no ending of the job."""
    task = {"id": "t1", "status": "done", "text": "meow", "used": 3}
    assert (
        await seen(Script(tasks(task)), {"inspect": RUN["inspect"] | {member: "length(body.nothing)"}}) is Sight.UNTOLD
    )


async def test_without_the_secret_nothing_is_asked() -> None:
    """Another executor may have it."""
    script = Script()
    assert await seen(script, secrets="") is Sight.UNTOLD
    assert not script.asked


@pytest.mark.parametrize(
    ("status", "answer", "reason"), [("failed", Answer.FAILED, "PROVIDER_FAILED"), ("rejected", Answer.REFUSED, "")]
)
async def test_work_that_came_to_nothing_is_told_as_its_answer_would_have_been(
    status: str, answer: Answer, reason: str
) -> None:
    """With the provider's sentence, in which our secret is masked."""
    told = await inspected(Script(tasks({"id": "t1", "status": status, "error": f"no cats for {KEY}"})))
    assert (told.answer, told.reason) == (answer, reason)
    assert "no cats" in told.message
    assert KEY not in told.message + told.detail


async def test_polled_work_is_looked_at_where_what_was_found_does_not_say_that_it_is_done() -> None:
    """Once: the next look is a later turn's."""
    begun, done = {"id": "t1", "status": "new"}, {"id": "t1", "status": "done", "text": "meow", "used": 3}
    script = Script(tasks(begun), httpx.Response(200, json=done))
    assert json.loads((await inspected(script, POLL)).output_json) == {"text": "meow"}
    assert [str(asked.url) for asked in script.asked] == [f"{URL}?reference={JOB}", f"{URL}/t1"]
    assert await seen(Script(tasks(begun), httpx.Response(200, json=begun)), POLL) is Sight.UNDER_WAY
    known = Script(tasks(done))
    assert (await inspected(known, POLL)).answer is Answer.OUTPUT
    assert len(known.asked) == 1
    failed = await inspected(Script(tasks(begun), httpx.Response(200, json={"id": "t1", "status": "failed"})), POLL)
    assert failed.reason == "PROVIDER_FAILED"
