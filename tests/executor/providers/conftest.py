"""Calls of a scripted provider."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from services.executor.providers import conversation, hosts
from services.executor.providers.answers import ProviderCall
from services.executor.providers.begun import Begun
from services.executor.providers.calls import Providers
from services.executor.providers.client import Client
from services.executor.providers.files import File
from services.executor.providers.health import Health, Visit
from services.executor.providers.metering import Meter
from services.executor.providers.plan import plan_of
from services.executor.providers.secrets import Secrets
from services.executor.rules.answers import ToolAnswer
from services.executor.rules.output_files import EACH
from services.runtime.lifecycle import Signal
from tests.executor.providers.script import KEY, RUN, Script


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
