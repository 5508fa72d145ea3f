"""Where providers call back."""

import asyncio

import nats
import pytest

from services.runtime.topology import HOOK_SUBJECT
from tests.gateway.conftest import System, problem
from tests.harness.processes import Services

TOKEN = "abcdefghijklmnopqrstuvwxyz234567"


async def test_a_call_back_is_passed_on_without_its_words(system: System, running: Services) -> None:
    """Executors hear the token; whoever called hears nothing."""
    client = await nats.connect(running.nats_url)
    heard = await client.subscribe(HOOK_SUBJECT)
    await client.flush()
    response = await system.client.post(f"/v1/hooks/{TOKEN}", json={"status": "completed"})
    assert (response.status_code, response.content) == (204, b"")
    async with asyncio.timeout(10):
        assert (await heard.next_msg(10)).data == TOKEN.encode()
    await client.close()


@pytest.mark.parametrize("token", ["x", TOKEN.upper(), f"{TOKEN}a", "a.b"])
async def test_what_is_no_token_is_no_webhook(system: System, token: str) -> None:
    """Nothing else becomes a message."""
    assert problem(await system.client.post(f"/v1/hooks/{token}")) == (404, "NOT_FOUND")
