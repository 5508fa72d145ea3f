"""The embedded NATS server with JetStream: its files, its command line, and one to run in tests."""

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

import httpx

from services.cli.local.binaries import nats_server
from services.cli.local.errors import LocalError
from services.cli.local.files import write_private
from services.cli.local.ports import free_ports
from services.cli.local.spawn import guarded
from services.runtime import clock, ids

USER = "scrip"
MAX_PAYLOAD_BYTES = 2 * 1024 * 1024
FILE_STORE_BYTES_MAX = 80 * 1024**3
"""A ceiling. Left out, it is what the disk has free, and a stream that may grow larger is refused."""

READY_SECONDS = 30
STOP_SECONDS = 15
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Broker:
    """A NATS server's folder and addresses. Its configuration file is written by `open_broker`."""

    program: Path
    config: Path
    port: int
    monitoring_port: int
    password: str

    @property
    def url(self) -> str:
        """Where and as whom clients connect."""
        return f"nats://{USER}:{self.password}@127.0.0.1:{self.port}"

    @property
    def health_url(self) -> str:
        """Answers 200 once the server takes clients and JetStream has recovered."""
        return f"http://127.0.0.1:{self.monitoring_port}/healthz"

    def argv(self) -> list[str]:
        """The server's command line, without the shim."""
        return [str(self.program), "--config", str(self.config)]

    def environment(self) -> dict[str, str]:
        """Exactly what the server sees."""
        return {"PATH": os.defpath, "TZ": "UTC"}


def open_broker(folder: Path, port: int, monitoring_port: int, password: str) -> Broker:
    """Write the configuration (mode 0600, it holds the password) for a server with its data in `folder`.

    The password is of letters and digits. Streams live in `folder/jetstream` and survive restarts.
    """
    folder = folder.resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    config = folder / "nats-server.conf"
    lines = [
        "server_name: scrip-local",
        f'listen: "127.0.0.1:{port}"',
        f'http: "127.0.0.1:{monitoring_port}"',
        f"max_payload: {MAX_PAYLOAD_BYTES}",
        f"jetstream {{ store_dir: {json.dumps(str(folder / 'jetstream'))}, max_file_store: {FILE_STORE_BYTES_MAX} }}",
        f"authorization {{ user: {USER}, password: {json.dumps(password)} }}",
    ]
    write_private(config, "\n".join(lines) + "\n")
    return Broker(nats_server(), config, port, monitoring_port, password)


class Server:
    """A broker that this process runs. A context manager: started on entry, stopped on exit.

    Start it from a thread that outlives it (see `spawn.py`).
    """

    def __init__(self, broker: Broker) -> None:
        """Nothing runs before `start`."""
        self.broker = broker
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    @classmethod
    def throwaway(cls, folder: Path, password: str | None = None) -> Self:
        """A started server in `folder` on free ports; the caller stops it and removes the folder."""
        port, monitoring_port = free_ports(2)
        server = cls(open_broker(folder, port, monitoring_port, password or ids.base62(20)))
        server.start()
        return server

    @property
    def pid(self) -> int:
        """The server's process id."""
        if self._process is None:
            raise LocalError("NATS is not running.")
        return self._process.pid

    def start(self) -> None:
        """Start and wait until it is healthy; raises LocalError after half a minute."""
        log_path = self.broker.config.with_name("server.log")
        self._log = log_path.open("ab")
        self._process = subprocess.Popen(
            guarded(self.broker.argv()),
            env=self.broker.environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        deadline = clock.monotonic() + READY_SECONDS
        while clock.monotonic() < deadline and self._process.poll() is None:
            if is_healthy(self.broker):
                return
            time.sleep(POLL_SECONDS)
        self.stop()
        last = "\n".join(log_path.read_text(errors="replace").splitlines()[-10:])
        raise LocalError(f"NATS did not become healthy within {READY_SECONDS} seconds:\n{last}")

    def stop(self) -> None:
        """Let it finish and write everything down; killed if it takes too long."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End it as a crash would (`kill -9`), and wait until the process is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_SECONDS)
            self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def __enter__(self) -> Self:
        """Start, unless it runs."""
        if self._process is None:
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()


def is_healthy(broker: Broker) -> bool:
    """Whether the server answers 200 on its health page. Never through a proxy of the environment."""
    try:
        return httpx.get(broker.health_url, timeout=2, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
