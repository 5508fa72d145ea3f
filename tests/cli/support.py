"""Waiting for conditions, looking at processes, and a gateway that records what it is sent."""

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


def wait_until(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """The condition's first true value; an assertion fails at the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} seconds")


def lives(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def processes_naming(text: str) -> list[int]:
    """Processes other than this one whose command line holds the text."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid() and lives(int(entry.name)):
            with contextlib.suppress(OSError):
                if text.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found


@dataclass
class Sent:
    """A request as the fake gateway got it."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class FakeGateway:
    """Answers what it was told to answer, in order per method and path; records requests."""

    url: str = ""
    sent: list[Sent] = field(default_factory=list)
    answers: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)
    media_type: str = ""

    def answer(self, call: str, status: int, body: Any) -> None:
        """Add an answer for `METHOD /path`; the last one is repeated. Text and bytes are sent as they are."""
        self.answers.setdefault(call, []).append((status, body))

    def problem(self, call: str, status: int, reason: str, **more: Any) -> None:
        """Add a refusal as problem+json."""
        self.answer(call, status, {"status": status, "reason": reason, "detail": f"because {reason}"} | more)


def serve(gateway: FakeGateway) -> ThreadingHTTPServer:
    """Start the fake gateway on a free port; the caller shuts it down."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def handle_call(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            match self.headers.get("Content-Type"):
                case "application/yaml":
                    body: Any = data.decode()
                case "application/json" | None:
                    body = json.loads(data) if data else None
                case _:
                    body = data
            gateway.sent.append(Sent(self.command, self.path, dict(self.headers), body))
            queue = gateway.answers.get(f"{self.command} {self.path.partition('?')[0]}")
            status, said = (queue.pop(0) if len(queue) > 1 else queue[0]) if queue else (418, "no such call")
            encoded = said.encode() if isinstance(said, str) else said if isinstance(said, bytes) else None
            encoded = json.dumps(said).encode() if encoded is None else encoded
            self.send_response(status)
            self.send_header("Content-Length", str(len(encoded)))
            if gateway.media_type:
                self.send_header("Content-Type", gateway.media_type)
            self.end_headers()
            self.wfile.write(encoded)

        do_GET = do_POST = do_PUT = do_DELETE = handle_call  # noqa: N815

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    gateway.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
