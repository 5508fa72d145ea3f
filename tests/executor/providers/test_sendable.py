"""Requests that cannot be put on the wire: told as what they are, and nothing is learnt from them of the provider."""

from typing import Any

import httpx
import pytest

from services.executor.providers import circuit
from services.executor.providers.answers import ProviderCall
from services.executor.providers.calls import Providers
from services.executor.providers.client import Client
from services.executor.providers.files import File
from services.executor.providers.health import Health, Visit
from services.executor.providers.plan import plan_of
from services.executor.providers.requests import rendered
from services.executor.providers.secrets import Secrets
from services.executor.rules.answers import Answer, ToolAnswer

URL = "https://api.example.com/v1/x"


class Wire:
    """Answers, or refuses a request as the library does; `sent` counts."""

    def __init__(self, error: Exception | None = None) -> None:
        self.sent = 0
        self._error = error

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.sent += 1
        if self._error:
            raise self._error
        return httpx.Response(200, json={"text": "x", "url": "https://api.example.com/\x00"})


async def call(
    request: dict[str, Any], given: Any = "", wire: Wire | None = None, secret: str = "sk-secret", **members: Any
) -> tuple[ToolAnswer, bool]:
    """What comes of many calls, and whether the provider is held to be down after them."""
    health, wire = Health(16), wire or Wire()
    run = {
        "kind": "http",
        "auth": {"place": "bearer", "secret": "key"},
        "request": {"url": URL} | request,
        "response": {"output": {"text": "${body.text}"}},
    }
    file = given if isinstance(given, File) else File(b"x", "audio/mpeg", "f")
    for _ in range(circuit.FAILURES_IN_A_ROW):
        visit = health.visit("api.example.com", resumes=False)
        assert isinstance(visit, Visit)
        asked = ProviderCall(plan_of(run | members), {"q": given}, {"file": file}, False, {}, visit=visit)
        answer = await Providers(Client({}, httpx.MockTransport(wire)), Secrets(None, {"KEY": secret})).run(asked)
        visit.leave()
    return answer, health.hindrance("api.example.com") is not None


@pytest.mark.parametrize("given", ["a\nb", "a\r\nx-other: y", "a\0b", "日本", "é", "\x7f"])
async def test_an_input_that_no_header_can_hold_is_rejected(given: str) -> None:
    """The message names the header; it is free, nothing is sent, and the provider is as well as before."""
    wire = Wire()
    answer, is_down = await call({"headers": {"x-q": "${input.q}"}}, given, wire)
    assert (answer.answer, answer.worked, is_down, wire.sent) == (Answer.REJECTED, False, False, 0)
    assert "header x-q" in answer.message


@pytest.mark.parametrize("kind", ["raw", "multipart"])
async def test_a_media_type_that_no_header_can_hold_is_rejected(kind: str) -> None:
    """As that of a body, and of a part of one."""
    body = "${input.file}" if kind == "raw" else {"file": "${input.file}"}
    wire = Wire()
    answer, is_down = await call({kind: body}, File(b"x", "audio/é\r\n", "f"), wire)
    assert (answer.answer, answer.worked, is_down, wire.sent) == (Answer.REJECTED, False, False, 0)


@pytest.mark.parametrize(
    ("request_", "given"),
    [
        ({"url": f"{URL}/${{input.q}}/y"}, ".."),
        ({"url": f"{URL}/${{input.q}}/y"}, "."),
        ({"url": f"{URL}/${{input.q}}/y"}, ""),
        ({"url": f"{URL}/${{input.q}}"}, ".."),
        ({"url": f"{URL}/.${{input.q}}"}, "."),
        ({"url": f"{URL}/${{input.q}}${{input.q}}?a"}, "."),
        ({"query": {"q": "${input.q}"}}, "x" * 70_000),
        ({"json": {"q": "${input.q}"}}, "\ud800"),
        ({"query": {"q": "${input.q}"}}, "\ud800"),
        ({"json": {"q": "${to_number(input.q)}"}}, "inf"),
    ],
)
async def test_other_inputs_that_cannot_be_asked_for_are_rejected(request_: dict[str, Any], given: str) -> None:
    """Paths that lead elsewhere, URLs that are too long, and what neither text nor JSON can be made of."""
    wire = Wire()
    answer, is_down = await call(request_, given, wire)
    assert (answer.answer, answer.worked, is_down, wire.sent) == (Answer.REJECTED, False, False, 0)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("a/../b", f"{URL}/a%2F..%2Fb/y"),
        ("...", f"{URL}/.../y"),
        ("a b?", f"{URL}/a%20b%3F/y"),
        ("%2e%2e", f"{URL}/%252e%252e/y"),
    ],
)
def test_what_stays_in_its_part_of_the_path_is_sent(given: str, url: str) -> None:
    """Whatever it has in it."""
    plan = plan_of({"request": {"url": f"{URL}/${{input.q}}/y"}, "response": {"output": {}}}).request
    assert rendered(plan, {"input": {"q": given}}).target == url


def test_blanks_around_a_header_are_no_part_of_it() -> None:
    """They are left out, and within it they stay."""
    plan = plan_of({"request": {"url": URL, "headers": {"x-q": "${input.q}"}}, "response": {"output": {}}}).request
    assert rendered(plan, {"input": {"q": "\t a \tb "}}).headers == {"x-q": "a \tb"}


@pytest.mark.parametrize(
    ("request_", "secret"),
    [
        ({"headers": {"x q": "a"}}, "sk-secret"),
        ({"headers": {"x-q": "a\nb"}}, "sk-secret"),
        ({"url": "https://api.example.com/\n"}, "sk-secret"),
        ({}, "sk-\nsecret"),
        ({}, "sk-日本"),
    ],
)
async def test_what_is_wrong_with_the_tool_itself_is_its_failure(request_: dict[str, Any], secret: str) -> None:
    """A header or URL of the manifest, or a secret, which nobody is told."""
    answer, is_down = await call(request_, secret=secret)
    assert (answer.answer, answer.reason, answer.worked, is_down) == (Answer.FAILED, "TOOL_FAILED", False, False)
    assert secret not in answer.message + answer.detail


@pytest.mark.parametrize(
    "error",
    [
        httpx.LocalProtocolError("Illegal header value"),
        httpx.InvalidURL("none"),
        UnicodeEncodeError("ascii", "é", 0, 1, "ordinal not in range"),
    ],
)
async def test_what_the_library_does_not_send_is_told_as_that(error: Exception) -> None:
    """It is no word of the provider, and not tried again."""
    wire = Wire(error)
    answer, is_down = await call({}, wire=wire)
    assert (answer.reason, answer.worked, is_down) == ("TOOL_FAILED", False, False)
    assert wire.sent == circuit.FAILURES_IN_A_ROW


async def test_a_url_of_the_provider_that_is_none_is_no_answer() -> None:
    """The work was asked for: it is the provider's answer that cannot be used."""
    poll = {"request": {"url": "${submitted.url}"}, "status": "body.status", "done": ["done"], "failed": ["failed"]}
    poll |= {"every_ms": 1}
    answer, _ = await call({}, poll=poll)
    assert (answer.reason, answer.worked) == ("PROVIDER_ANSWER_UNREADABLE", True)
