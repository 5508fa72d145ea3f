"""Several ledger processes on one database, with a PostgreSQL of their own where that is to be killed too."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from services.cli.local.addresses import Addresses, choose_addresses
from services.cli.local.credentials import draw, write_secret_files
from services.cli.local.environment import service_environment
from services.cli.local.ports import free_ports
from services.cli.local.services import SERVICES
from services.cli.local.spawn import guarded
from services.runtime.grpc_client import Peer
from tests.harness.databases import Database
from tests.harness.waiting import eventually

READY_SECONDS = 30
STOP_SECONDS = 20
LEDGER = SERVICES["ledger"]


class Replicas:
    """Starts, kills, freezes and restarts the replicas of a ledger, each by its number."""

    def __init__(self, database: Database, folder: Path, count: int, nats_url: str = "") -> None:
        self.database = database
        self._folder = folder
        self._credentials = draw()
        self._files = write_secret_files(folder, self._credentials)
        self._ports: list[Addresses] = [choose_addresses(0) for _ in range(count)]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        # Unless told, nobody listens there: what is published is no matter of these tests.
        self._nats_url = nats_url or f"nats://127.0.0.1:{free_ports(1)[0]}"

    @property
    def addresses(self) -> list[str]:
        """host:port of each replica's gRPC server."""
        return [ports.grpc_address("ledger") for ports in self._ports]

    @property
    def token(self) -> str:
        """A service token that every replica takes."""
        return self._credentials.service_tokens["gateway"]

    def peer(self, number: int) -> Peer:
        """A channel to a replica, as the gateway; the caller closes it."""
        return Peer("ledger", self.addresses[number], self.token)

    def ops_url(self, number: int) -> str:
        """Where a replica tells its metrics and readiness."""
        return f"http://{self._ports[number].ops_address('ledger')}"

    async def start(self, *numbers: int) -> None:
        """Starts replicas, all unless told, and waits until each is ready."""
        for number in numbers or range(len(self._ports)):
            self._spawn(number)
        for number in numbers or range(len(self._ports)):
            await self.ready(number)

    async def ready(self, number: int) -> None:
        """Returns when a replica says that it is ready; raises with its last words when it is not in time."""
        async with httpx.AsyncClient(timeout=2, trust_env=False) as client:

            async def is_ready() -> bool:
                if self._processes[number].poll() is not None:
                    raise AssertionError(f"replica {number} ended:\n{self.last_words(number)}")
                try:
                    return (await client.get(f"{self.ops_url(number)}/readyz")).status_code == httpx.codes.OK
                except httpx.HTTPError:
                    return False

            await eventually(
                is_ready, READY_SECONDS, lambda: f"replica {number} is not ready:\n{self.last_words(number)}"
            )

    def kill(self, number: int) -> None:
        """Ends a replica as a crash would."""
        self._processes[number].kill()
        self._processes[number].wait(STOP_SECONDS)

    def freeze(self, number: int) -> None:
        """Lets a replica stand still, with all that it holds."""
        self._processes[number].send_signal(signal.SIGSTOP)

    def thaw(self, number: int) -> None:
        """Lets it go on."""
        self._processes[number].send_signal(signal.SIGCONT)

    def last_words(self, number: int) -> str:
        """The end of a replica's log."""
        return "\n".join(self.output(number).splitlines()[-40:])

    def output(self, number: int) -> str:
        """All that a replica told in its log."""
        path = self._folder / f"ledger-{number}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def errors(self) -> str:
        """What replicas told as an error, with what followed."""
        parts = [self.output(number).partition("[error") for number in range(len(self._ports))]
        return "\n".join(f"{word}{after[:2_000]}" for _, word, after in parts if word)

    async def stop(self) -> None:
        """Ends everything that still runs."""
        for process in self._processes.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        stuck: list[str] = []
        for number, process in self._processes.items():
            try:
                await asyncio.to_thread(process.wait, STOP_SECONDS)
            except subprocess.TimeoutExpired:
                stuck.append(f"replica {number} did not drain:\n{self.last_words(number)}")
                process.kill()
                process.wait(STOP_SECONDS)
        assert not stuck, "\n".join(stuck)

    def _spawn(self, number: int) -> None:
        environment = service_environment(
            LEDGER,
            inherited=os.environ,  # noqa: TID251 (children run in the environment of the tests)
            addresses=self._ports[number],
            credentials=self._credentials,
            files=self._files,
            dsn=self.database.dsn,
            nats_url=self._nats_url,
        )
        if len(self._ports) > 1:
            environment["SCRIP_REPLICAS"] = ",".join(self.addresses)
            environment["SCRIP_REPLICA"] = self.addresses[number]
        with (self._folder / f"ledger-{number}.log").open("ab") as log:
            self._processes[number] = subprocess.Popen(
                guarded([sys.executable, "-m", LEDGER.module]),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
