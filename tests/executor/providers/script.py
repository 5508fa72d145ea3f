"""A provider that answers by a script, and the tool whose calls it gets."""

from typing import Any

import httpx

from services.executor.providers.begun import Begun
from services.executor.rules.jobs import ProviderReport

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


def said(_code: int = 200, /, **body: Any) -> httpx.Response:
    """An answer in JSON."""
    return httpx.Response(_code, json=body, headers={"x-request-id": "r1"})
