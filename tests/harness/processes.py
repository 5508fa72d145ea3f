"""Real processes of the services, each with a database of its own, on one PostgreSQL and one NATS."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import httpx
import psycopg

from services.cli.local.addresses import Addresses, choose_addresses
from services.cli.local.credentials import Credentials, draw, write_secret_files
from services.cli.local.environment import service_environment
from services.cli.local.services import SERVICES
from services.gateway.bootstrap import ensure_admin_key
from services.runtime.grpc_client import Peer
from tests.harness.databases import Database, Databases
from tests.harness.starting import Process, start_module
from tests.harness.waiting import eventually

READY_SECONDS = 30
STOP_SECONDS = 20


class Services:
    """Starts, kills and restarts services; everything ends with the test.

    `executor-2` is a second executor, on the same database; nobody calls it unless a test does.
    """

    def __init__(self, databases: Databases, nats_url: str, folder: Path) -> None:
        self._databases = databases
        self._nats_url = nats_url
        self._folder = folder
        self._addresses: Addresses = choose_addresses(0)
        self._others: dict[str, Addresses] = {}
        self._credentials: Credentials = draw()
        self._files = write_secret_files(folder, self._credentials)
        self._own: dict[str, Database] = {}
        self._processes: dict[str, Process] = {}
        self._peers: list[Peer] = []
        # What the executor is given for providers: keys, and where to call them instead.
        self.providers: dict[str, str] = {}
        # Settings of a service beside those that everybody has.
        self.settings: dict[str, dict[str, str]] = {}
        # A test's call that never ends is cut off when the test does.
        self._drain = {"SCRIP_DRAIN_SECONDS": "5"}

    @property
    def admin_key(self) -> str:
        """The first admin key; good once the gateway's database is there."""
        return self._credentials.admin_key

    @property
    def http_url(self) -> str:
        """Where the gateway listens."""
        return self._addresses.http_url

    @property
    def nats_url(self) -> str:
        """The broker of all of them."""
        return self._nats_url

    @property
    def token(self) -> str:
        """A service token that every service takes."""
        return self._credentials.service_tokens["gateway"]

    def address(self, service: str) -> str:
        """host:port of a service's gRPC server."""
        return self._own_addresses(service).grpc_address(_service(service))

    def ops_url(self, service: str) -> str:
        """Where a service tells its metrics and readiness."""
        return f"http://{self._own_addresses(service).ops_address(_service(service))}"

    def database(self, service: str) -> Database:
        """The service's database."""
        service = _service(service)
        if service not in self._own:
            self._own[service] = self._databases.create(service)
            if service == "gateway":
                ensure_admin_key(self._own[service].owner_dsn, self.admin_key)
        return self._own[service]

    def dsn(self, service: str) -> str:
        """The superuser's way into the service's database."""
        return self.database(service).owner_dsn

    def query(self, service: str, statement: str, *parameters: object) -> list[tuple[object, ...]]:
        """Rows of one statement in the service's database."""
        with psycopg.connect(self.dsn(service), autocommit=True) as connection:
            return connection.execute(statement.encode(), parameters or None).fetchall()

    def peer(self, service: str) -> Peer:
        """A channel to a service, as the gateway."""
        peer = Peer(_service(service), self.address(service), self.token)
        self._peers.append(peer)
        return peer

    async def close_peers(self) -> None:
        """Closes the channels that were made; each must be, on the loop that made it."""
        for peer in self._peers:
            await peer.close()
        self._peers.clear()

    async def start(self, *names: str) -> None:
        """Starts services and waits until each is ready."""
        for name in names:
            self._spawn(name)
        for name in names:
            await self.ready(name)

    async def ready(self, name: str) -> None:
        """Returns when the service says that it is ready; raises with its last words when it is not in time."""
        async with httpx.AsyncClient(timeout=2, trust_env=False) as client:

            async def is_ready() -> bool:
                if self._processes[name].poll() is not None:
                    raise AssertionError(f"{name} ended:\n{self.last_words(name)}")
                try:
                    return (await client.get(f"{self.ops_url(name)}/readyz")).status_code == httpx.codes.OK
                except httpx.HTTPError:
                    return False

            await eventually(is_ready, READY_SECONDS, lambda: f"{name} is not ready:\n{self.last_words(name)}")

    def runs(self, name: str) -> bool:
        """Whether a service was started and has not ended."""
        return name in self._processes and self._processes[name].poll() is None

    def kill(self, name: str) -> None:
        """Ends a service as a crash would."""
        self._processes[name].kill()
        self._processes[name].wait(STOP_SECONDS)

    def disconnect(self, name: str) -> None:
        """Ends every database session of a service under it."""
        self._databases.disconnect(self.database(name))

    def terminate(self, name: str) -> None:
        """Asks a service to drain."""
        self._processes[name].terminate()

    def wait(self, name: str) -> int:
        """Exit status of a service that was told to end."""
        return self._processes[name].wait(STOP_SECONDS)

    async def restart(self, name: str) -> None:
        """Starts a service again that has ended."""
        self._spawn(name)
        await self.ready(name)

    def pid(self, name: str) -> int:
        """The service's process id."""
        return self._processes[name].pid

    def last_words(self, name: str) -> str:
        """The end of a service's log."""
        path = self._folder / f"{name}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-40:]) if path.exists() else ""

    async def stop(self) -> None:
        """Ends everything that still runs and drops the databases."""
        await self.close_peers()
        for process in self._processes.values():
            if process.poll() is None:
                process.terminate()
        stuck: list[str] = []
        for name, process in self._processes.items():
            try:
                await asyncio.to_thread(process.wait, STOP_SECONDS)
            except subprocess.TimeoutExpired:
                stuck.append(f"{name} did not drain:\n{self.last_words(name)}")
                process.kill()
                process.wait(STOP_SECONDS)
        for database in self._own.values():
            self._databases.drop(database)
        assert not stuck, "\n".join(stuck)

    async def start_to_crash(self, name: str, point: str, victim_pid: int | None = None) -> None:
        """Starts a service that kills itself, or another process once, at a point (crash_points.py)."""
        self._spawn(name, ["tests.harness.crash_points", point], [] if victim_pid is None else [str(victim_pid)])
        await self.ready(name)

    async def crashed(self, name: str, seconds: float = 30) -> None:
        """Returns when a service has killed itself."""
        process = self._processes[name]
        await eventually(lambda: process.poll() is not None, seconds, f"{name} never reached its point")
        assert process.returncode == -signal.SIGKILL, self.last_words(name)

    def _own_addresses(self, name: str) -> Addresses:
        if name in SERVICES:
            return self._addresses
        if name not in self._others:
            self._others[name] = choose_addresses(0)
        return self._others[name]

    def _spawn(self, name: str, launcher: Sequence[str] = (), arguments: Sequence[str] = ()) -> None:
        service = SERVICES[_service(name)]
        environment = service_environment(
            service,
            inherited={**os.environ, **self.providers},  # noqa: TID251 (children run in the environment of the tests)
            addresses=self._addresses,
            credentials=self._credentials,
            files=self._files,
            dsn=self.database(name).dsn,
            nats_url=self._nats_url,
        )
        environment["SCRIP_GRPC_LISTEN"] = self.address(name)
        environment["SCRIP_OPS_LISTEN"] = self.ops_url(name).removeprefix("http://")
        environment |= (self._drain if service.name == "executor" else {}) | self.settings.get(name, {})
        command = [*launcher, service.module, *arguments]
        self._processes[name] = start_module(command[0], command[1:], environment, self._folder / f"{name}.log")


def _service(name: str) -> str:
    """`executor` of `executor-2`."""
    return name.partition("-")[0]
