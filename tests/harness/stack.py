"""`scrip run` as a person starts it: the whole system as one process tree, and calls to it over HTTP."""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import psycopg

from services.cli.local.spawn import guarded
from services.runtime import ids
from tests.harness.waiting import eventually

START_SECONDS = 120
STOP_SECONDS = 60


class Stack:
    """One `scrip run` in a folder, with what else its environment shall hold."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: list[httpx.AsyncClient] = []

    @property
    def run_json(self) -> dict[str, Any]:
        """What `scrip run` tells programs, as it stands now."""
        found: dict[str, Any] = json.loads((self.folder / "run.json").read_text())
        return found

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The supervisor."""
        if self._process is None:
            raise AssertionError("not started")
        return self._process

    def output(self) -> str:
        """What it printed."""
        return (self.folder.parent / f"{self.folder.name}.out").read_text(errors="replace")

    async def start(self) -> None:
        """Starts and waits for run.json, which is written when everything is ready."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SCRIP_")}  # noqa: TID251
        inherited |= self._environment
        with (self.folder.parent / f"{self.folder.name}.out").open("wb") as out:
            self._process = subprocess.Popen(
                guarded([sys.executable, "-m", "services.cli", "run", "--port", "0", "--data-dir", str(self.folder)]),
                env=inherited,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

        def is_up() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"scrip run ended with {self.process.returncode}:\n{self.output()}")
            return (self.folder / "run.json").exists()

        await eventually(is_up, START_SECONDS, self.output)

    async def stop(self) -> int:
        """Ctrl-C; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return await asyncio.to_thread(self.process.wait, STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def client(self, key: str) -> httpx.AsyncClient:
        """An HTTP client with a key."""
        client = httpx.AsyncClient(
            base_url=self.run_json["http_url"],
            headers={"authorization": f"Bearer {key}"},
            timeout=90,
            trust_env=False,
            limits=httpx.Limits(max_connections=200),
        )
        self._clients.append(client)
        return client

    def demo(self) -> httpx.AsyncClient:
        """As the demo account."""
        return self.client(self.run_json["demo_key"])

    def admin(self) -> httpx.AsyncClient:
        """As the administrator."""
        return self.client(self.run_json["admin_key"])

    async def account(self, credits: str) -> tuple[str, httpx.AsyncClient]:
        """A new account with so many credits, and a client with a key of its own."""
        account_id = f"a-{ids.uuid7()}"
        admin = self.admin()
        made = await admin.post("/v1/admin/accounts", json={"account_id": account_id})
        assert made.status_code == 201, made.text
        if credits != "0":
            granted = await admin.post(
                f"/v1/admin/accounts/{account_id}/grants",
                json={"credits": credits, "source": "promotion"},
                headers={"idempotency-key": ids.uuid7()},
            )
            assert granted.status_code == 201, granted.text
        key = await admin.post(f"/v1/admin/accounts/{account_id}/keys", json={"name": "test"})
        assert key.status_code == 201, key.text
        return account_id, self.client(key.json()["key"])

    def query(self, who: str, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Rows of a statement, as a service's role or the analyst."""
        with psycopg.connect(self.run_json["dsn"][who], autocommit=True, connect_timeout=5) as connection:
            return connection.execute(statement.encode(), parameters or None).fetchall()

    def kill(self, name: str) -> int:
        """Ends one process as a crash would; answers its pid."""
        pid = int(self.run_json["pids"][name])
        os.kill(pid, signal.SIGKILL)
        return pid

    async def close_clients(self) -> None:
        """Closes the HTTP clients of the test that ends; they belong to its event loop."""
        clients, self._clients = self._clients, []
        for client in clients:
            await client.aclose()

    async def is_ready(self) -> bool:
        """Whether the gateway says that the whole system can serve."""
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            try:
                return (await client.get(f"{self.run_json['http_url']}/readyz")).status_code == httpx.codes.OK
            except httpx.HTTPError:
                return False


def data_url(media_type: str, content: bytes) -> str:
    """A file as an input takes it."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


async def settled(client: httpx.AsyncClient, job_id: str, seconds: float = 60) -> dict[str, Any]:
    """The job once it has ended and its cost is with the ledger."""

    async def look() -> dict[str, Any] | None:
        try:
            answer = await client.get(f"/v1/jobs/{job_id}")
        except httpx.HTTPError:
            return None
        if answer.status_code != httpx.codes.OK:
            return None
        job: dict[str, Any] = answer.json()
        return job if job["finished_at"] and job["credits"]["settled"] else None

    found: dict[str, Any] = await eventually(look, seconds, lambda: f"job {job_id} did not end")
    return found
