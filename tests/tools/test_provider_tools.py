"""Every provider's tool: its examples become the requests its provider wants, and each answer what it means."""

import json
from typing import Any

import httpx
import pytest

from services.catalog.schemas import Schema
from services.executor.providers import conversation, hosts
from services.executor.providers.calls import Providers
from services.executor.providers.cancels import Cancels
from services.executor.providers.client import Client
from services.executor.providers.course import Course
from services.executor.providers.requests import rendered, signed
from services.executor.providers.secrets import Secrets
from services.executor.rules.answers import Answer
from services.runtime.lifecycle import Signal
from tests.tools.cases import AT, FOLDER, MANIFESTS, SECRET, Provider, call_of, known, shown

KNOWN = {slug: known(slug) for slug in MANIFESTS if (FOLDER / f"{slug}.yaml").is_file()}
CASES = [(slug, name) for slug, told in KNOWN.items() for name in told["cases"]]
REQUESTS = [(slug, number) for slug, told in KNOWN.items() for number in range(len(told["requests"]))]
CANCELED = [slug for slug in KNOWN if call_of(MANIFESTS[slug]).plan.cancel]
# What the job's reason is where the answer of a call does not name it.
REASONS = {Answer.REJECTED: "INPUT_REJECTED", Answer.REFUSED: "CONTENT_REFUSED", Answer.TOO_LARGE: "OUTPUT_TOO_LARGE"}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between two requests are none, and names lead nowhere."""

    async def at_once(_seconds: float) -> None:
        pass

    async def somewhere(_host: str) -> str:
        return "93.184.216.34"

    async def not_called_back(_signal: Signal, _seconds: float) -> bool:
        return False

    monkeypatch.setattr(conversation.asyncio, "sleep", at_once)
    monkeypatch.setattr(Signal, "wait", not_called_back)
    monkeypatch.setattr(hosts, "public_address", somewhere)


def test_every_tool_of_a_provider_has_its_cases() -> None:
    """And each says what comes of a good answer, of a provider that is busy, and of one that takes no more."""
    assert KNOWN.keys() == MANIFESTS.keys()
    assert {path.stem for path in FOLDER.glob("*.yaml")} == KNOWN.keys()
    for slug, told in KNOWN.items():
        reasons = {case.get("reason", "") for case in told["cases"].values()}
        assert {"", "PROVIDER_UNAVAILABLE", "PROVIDER_QUOTA"} <= reasons, slug
        assert len(told["requests"]) == len(MANIFESTS[slug].examples), slug


@pytest.mark.parametrize(("slug", "number"), REQUESTS)
def test_an_example_becomes_the_request_its_provider_wants(slug: str, number: int) -> None:
    """With the secret where it belongs; an upload goes before, and the request names its answer."""
    call, told = call_of(MANIFESTS[slug], number), KNOWN[slug]
    context = {"input": {**call.input, **call.files}}
    if call.plan.upload:
        upload = signed(rendered(call.plan.upload, context), call.plan.auth, SECRET, AT)
        assert shown(upload) == told["uploads"][number]
        context["uploaded"] = told["uploaded"]
    request = rendered(call.plan.request, context)
    assert shown(signed(request, call.plan.auth, SECRET, AT)) == told["requests"][number]


@pytest.mark.parametrize(("slug", "name"), CASES)
async def test_an_answer_leads_to_what_it_means(slug: str, name: str) -> None:
    """Output, units and the provider's id of the call; or why there is none."""
    manifest, case = MANIFESTS[slug], KNOWN[slug]["cases"][name]
    call = call_of(manifest, case.get("example", 0))
    provider = Provider(case["answers"])
    client = Client({}, httpx.MockTransport(provider))
    secret = {call.plan.auth.secret.upper(): SECRET} if call.plan.auth else {}
    answer = await Providers(client, Secrets(None, secret)).run(call)
    await client.close()
    assert SECRET not in answer.message + answer.detail
    if "reason" in case:
        assert (answer.reason or REASONS.get(answer.answer, "")) == case["reason"], answer
        assert case.get("says", "") in answer.message
        assert answer.units == case.get("units", answer.units)
        return
    assert answer.answer is Answer.OUTPUT, answer
    output: dict[str, Any] = json.loads(answer.output_json)
    assert output == case["output"]
    used = case.get("units")
    assert answer.units == ({"": used} if isinstance(used, int) else used)
    assert call.course.report.request_id == case.get("request_id", "")
    assert Schema(_without_files(manifest.output_schema)).violations(output) == []
    assert len(provider.asked) == len(case["answers"])


def test_every_tool_that_can_stop_its_work_says_how_that_looks() -> None:
    """And no other does."""
    assert {slug for slug, told in KNOWN.items() if "cancel" in told} == set(CANCELED)


@pytest.mark.parametrize("slug", CANCELED)
async def test_work_under_way_is_stopped_as_its_provider_wants(slug: str) -> None:
    """With one request, which has the secret where it belongs; work that is not known to be under way with none."""
    plan, told, provider = call_of(MANIFESTS[slug]).plan, KNOWN[slug]["cancel"], Provider([{"status": 204}])
    assert plan.auth is not None and plan.cancel is not None
    client = Client({}, httpx.MockTransport(provider))
    cancels = Cancels(client, Secrets(None, {plan.auth.secret.upper(): SECRET}))
    cancels.begin(plan, Course())
    cancels.begin(plan, Course(told["submitted"]))
    await cancels.finish()
    await client.close()
    (asked,) = provider.asked
    assert f"{asked.method} {asked.url}" == f"{told['request']['method']} {told['request']['url']}"
    assert shown(signed(rendered(plan.cancel, told), plan.auth, SECRET)) == told["request"]


def _without_files(schema: Any) -> Any:
    """In an output a file is a data: URL."""
    match schema:
        case dict():
            kept = {name: value for name, value in schema.items() if (name, value) != ("format", "scrip-file")}
            return {name: _without_files(value) for name, value in kept.items()}
        case list():
            return [_without_files(item) for item in schema]
        case _:
            return schema
