"""Providers that call back: work is looked at as soon as they do, and what they say is not believed."""

import asyncio
import json

import httpx

from services.executor.providers.answers import ProviderCall
from services.executor.providers.calls import Providers
from services.executor.providers.client import Client
from services.executor.providers.hooks import Hooks, token_of
from services.executor.providers.plan import plan_of
from services.executor.providers.secrets import Secrets
from services.executor.rules.answers import Answer
from tests.harness.waiting import eventually

BASE = "https://scrip.example.com"
PLAN = plan_of(
    {
        "auth": {"place": "bearer", "secret": "key"},
        "request": {"url": "https://api.example.com/v1/tasks", "json": {"callback_url": "${webhook}"}},
        "poll": {
            "request": {"url": "https://api.example.com/v1/tasks/${submitted.id}"},
            "every_ms": 60_000,
            "status": "body.status",
            "done": ["done"],
            "failed": ["failed"],
        },
        "response": {"output": {"text": "${body.text}"}},
    }
)


class Slow:
    """A provider whose work is done when the test says so; it calls back nobody by itself."""

    def __init__(self) -> None:
        self.asked: list[httpx.Request] = []
        self.is_done = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """New, until it is done."""
        self.asked.append(request)
        return httpx.Response(200, json={"id": "t1", "status": "done" if self.is_done else "new", "text": "meow"})


async def _asked(hooks: Hooks, provider: Slow) -> tuple[asyncio.Task[Answer], str]:
    """A call that is under way, and the token it gave."""
    client = Client({}, httpx.MockTransport(provider))

    async def answer() -> Answer:
        call = ProviderCall(PLAN, {}, {}, False, {}, job_id="job_1")
        return (await Providers(client, Secrets(None, {"KEY": "sesame"}), hooks).run(call)).answer

    task = asyncio.create_task(answer())
    await eventually(lambda: provider.asked)
    return task, token_of("job_1", "sesame")


async def test_work_is_looked_at_when_its_provider_calls_back() -> None:
    """A minute before anybody would have looked."""
    hooks, provider = Hooks(f"{BASE}/"), Slow()
    task, token = await _asked(hooks, provider)
    assert json.loads(provider.asked[0].content) == {"callback_url": f"{BASE}/v1/hooks/{token}"}
    hooks.called(token_of("job_2", "sesame"))
    hooks.called("no token")
    provider.is_done = True
    async with asyncio.timeout(20):
        while not task.done():
            hooks.called(token)
            await asyncio.sleep(0)
    assert task.result() is Answer.OUTPUT


async def test_a_call_back_too_early_is_only_one_look_more() -> None:
    """The provider's own word in it counts for nothing."""
    hooks, provider = Hooks(BASE), Slow()
    task, token = await _asked(hooks, provider)
    async with asyncio.timeout(20):
        while len(provider.asked) < 2:
            hooks.called(token)
            await asyncio.sleep(0)
    assert not task.done()
    task.cancel()


async def test_without_an_address_nobody_is_asked_to_call_back() -> None:
    """The member is left out, as everything that is null."""
    provider = Slow()
    task, _ = await _asked(Hooks(), provider)
    assert json.loads(provider.asked[0].content) == {}
    task.cancel()


def test_a_token_follows_from_job_and_secret_alone() -> None:
    """So any executor that goes on with the job knows it, and nobody else."""
    assert token_of("job_1", "sesame") == token_of("job_1", "sesame")
    assert len({token_of("job_1", "sesame"), token_of("job_2", "sesame"), token_of("job_1", "other")}) == 3
    assert len(token_of("job_1", "sesame")) == 32
    assert token_of("job_1", "") == ""
