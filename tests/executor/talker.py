"""A chat provider that says what a test wants, event by event, and counts what it sent."""

import json
import threading
from collections.abc import Iterator
from typing import Any

from services.executor.material import tokens
from tests.executor.providers.double import Answer, Asked

KEY = "openai-key-of-the-test"
TOOL = "chat-gpt"
PATIENCE_SECONDS = 20.0


def price(input_tokens: int, output_tokens: int) -> int:
    """Microcredits, as the manifest says."""
    return 150 * input_tokens + 1_200 * output_tokens


def event(delta: str | None, finish: str | None = None, usage: dict[str, int] | None = None) -> bytes:
    """One event as OpenAI sends it."""
    content: dict[str, Any] = {"usage": usage, "choices": []}
    if usage is None:
        content["choices"] = [
            {"index": 0, "delta": {} if delta is None else {"content": delta}, "finish_reason": finish}
        ]
    return b"data: %s\n\n" % json.dumps(content).encode()


class Talker:
    """Says `words`, and cuts the connection at `cut_at`, which may be within an event. `sent` is the text of all events
    that were sent whole."""

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self._pauses: dict[int, threading.Event] = {}
        self.cut_at: int | None = None
        self.tells_usage = True
        self.sent = ""
        self.asked: list[dict[str, Any]] = []
        self.hung_up = threading.Event()

    def pause(self, index: int) -> threading.Event:
        """Waits before this word, until the event is set."""
        return self._pauses.setdefault(index, threading.Event())

    def let_go(self) -> None:
        """Waits for nothing any more."""
        for event in self._pauses.values():
            event.set()

    def answer(self, asked: Asked) -> Answer:
        """A stream of events."""
        assert (asked.method, asked.path) == ("POST", "/v1/chat/completions")
        assert asked.headers["authorization"] == f"Bearer {KEY}"
        body = json.loads(asked.body)
        assert body["stream"] is True
        assert body["stream_options"] == {"include_usage": True}
        self.asked.append(body)
        return Answer(headers={"content-type": "text/event-stream", "x-request-id": "req_1"}, pieces=self._pieces())

    def cost_of(self, message: str) -> int:
        """Microcredits of a call that was cut: the tokens of its message, and of what was sent; 0 where that is
        nothing."""
        return price(tokens.count(message), tokens.count(self.sent)) if self.sent else 0

    def _pieces(self) -> Iterator[bytes]:
        left = self.cut_at
        try:
            for index, word in enumerate(self.words):
                if index in self._pauses:
                    self._pauses[index].wait(PATIENCE_SECONDS)
                piece = event(word)
                if left is not None and len(piece) > left:
                    if left:
                        yield piece[:left]
                    yield b""
                    return
                yield piece
                self.sent += word
                left = None if left is None else left - len(piece)
            if left is not None:
                yield b""
                return
            yield event(None, "stop")
            if self.tells_usage:
                count = len(self.words)
                yield event(None, usage={"prompt_tokens": 9, "completion_tokens": count, "total_tokens": 9 + count})
            yield b"data: [DONE]\n\n"
        finally:
            self.hung_up.set()


class Stage:
    """Where the talker of each test stands in turn, before services that outlive it."""

    def __init__(self) -> None:
        self.talker = Talker([])

    def answer(self, asked: Asked) -> Answer:
        """What the talker of now says."""
        return self.talker.answer(asked)


def providers_at(url: str) -> dict[str, str]:
    """The environment of an executor that calls a talker at this address."""
    return {"SCRIP_SECRET_OPENAI_API_KEY": KEY, "SCRIP_PROVIDER_BASES": f"https://api.openai.com={url}"}
