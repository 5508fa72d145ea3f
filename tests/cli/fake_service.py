"""Stands in for every service in tests of the stack: writes down its environment and answers readiness.

As the gateway it also answers the admin calls that make the demo account, and keeps what it was sent.
"""

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SLUG = "/v1/tools/detect-language"


def answer(call: str, folder: Path) -> tuple[int, Any]:
    """What the gateway says to a call."""
    if call == "GET /readyz":
        return 200, {}
    if call == "POST /v1/admin/accounts":
        known = folder / "account"
        status = 200 if known.exists() else 201
        known.touch()
        return status, {"account_id": "demo"}
    if call == f"GET {SLUG}":
        return 200, {"examples": [{"text": "it's"}]}
    if call == "POST /v1/admin/accounts/demo/keys":
        return 201, {"key": "scrip_user_demo"}
    return 200, {}


def serve(address: str, folder: Path) -> None:
    """Answer on host:port from a thread."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def handle_call(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            call = f"{self.command} {self.path}"
            if self.command == "POST":
                with (folder / "posted").open("a") as file:
                    file.write(f"{call} {data.decode()}\n")
            status, said = answer(call, folder)
            encoded = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        do_GET = do_POST = handle_call  # noqa: N815

    host, _, port = address.partition(":")
    server = ThreadingHTTPServer((host, int(port)), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def main() -> None:
    """Run until SIGTERM; `broken-<name>` in the folder keeps the service from starting."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    environ = dict(os.environ)  # noqa: TID251 (to be checked by the test)
    (folder / f"{name}.json").write_text(json.dumps(environ))
    if (folder / f"broken-{name}").exists():
        sys.exit(f"{name} is broken on purpose")
    for variable in ("SCRIP_OPS_LISTEN", "SCRIP_HTTP_LISTEN"):
        if variable in environ:
            serve(environ[variable], folder)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ended.wait()


if __name__ == "__main__":
    main()
