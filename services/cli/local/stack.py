"""`scrip run`: everything on one machine, started in order, watched, and ended without a trace.

postgres → nats → migrations and streams → ledger, catalog → executor, analytics → gateway, then the
gateway's own word that the whole system can serve, then the demo account.
"""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from services.cli.local import databases, demo, nats, postgres
from services.cli.local.addresses import Addresses, choose_addresses
from services.cli.local.child import Process
from services.cli.local.credentials import Credentials, load_credentials, write_secret_files
from services.cli.local.environment import service_environment
from services.cli.local.errors import LocalError
from services.cli.local.lock import FolderLock
from services.cli.local.logs import Severity
from services.cli.local.runfile import RunFile, remove_run_file
from services.cli.local.services import ANALYST, ANALYST_DATABASE, SERVICES, STOP_ORDER, Service
from services.cli.local.supervisor import Supervisor
from services.cli.local.terminal import Terminal
from services.cli.migration import migrate_all
from services.runtime.migrations import MigrationError

READY_SECONDS = 90
READY_POLL_SECONDS = 0.1
CHECK_SECONDS = 3
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class RunOptions:
    """What the caller of `scrip run` chose."""

    port: int
    """HTTP port, gRPC on the five after it; 0 for any free ones."""

    data_dir: Path
    verbose: bool
    inherited: Mapping[str, str]
    """The caller's environment."""

    pg_bin: Path | None


async def run(options: RunOptions, terminal: Terminal) -> None:
    """Run until a signal asks to stop. Raises LocalError, after everything has been ended."""
    data_dir = make_data_dir(options.data_dir)
    with FolderLock(data_dir):
        remove_run_file(data_dir)
        stack = Stack(options, data_dir, choose_addresses(options.port), terminal)
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            # Whoever starts this with nohup wants it to outlive the terminal.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                loop.add_signal_handler(number, asked_to_stop, stopping, stack)
        watching = asyncio.create_task(stack.supervisor.wait())
        starting = asyncio.create_task(stack.start())
        asked = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({starting, watching, asked}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
            if starting.done():
                starting.result()
            await asyncio.wait({watching, asked}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
        finally:
            for task in (starting, watching, asked):
                task.cancel()
            await asyncio.gather(starting, watching, asked, return_exceptions=True)
            remove_run_file(data_dir)
            await stack.stop()


def asked_to_stop(stopping: asyncio.Event, stack: "Stack") -> None:
    """The first signal drains, the next does not wait."""
    if stopping.is_set():
        stack.supervisor.kill()
    stopping.set()


def make_data_dir(path: Path) -> Path:
    """The folder, whose list only this user can see, and never committed to a repository around it."""
    try:
        # Others may pass through, for a PostgreSQL that has to run as another user (see `identity.py`);
        # what is inside is closed to them, file by file.
        path.mkdir(mode=0o711, parents=True, exist_ok=True)
        data_dir = path.resolve()
        (data_dir / ".gitignore").write_text("*\n")
    except OSError as error:
        raise LocalError(f"{path} cannot be used as --data-dir: {error.strerror}.") from None
    return data_dir


class Stack:
    """The parts of one run and how they are put together."""

    def __init__(self, options: RunOptions, data_dir: Path, addresses: Addresses, terminal: Terminal) -> None:
        self.supervisor = Supervisor(
            data_dir / "logs", on_line=terminal.line, on_change=self._pids_changed, verbose=options.verbose
        )
        self._options = options
        self._data_dir = data_dir
        self._addresses = addresses
        self._terminal = terminal
        self._run: RunFile | None = None
        self._client = httpx.AsyncClient(timeout=CHECK_SECONDS, trust_env=False)

    async def start(self) -> None:
        """Start everything; afterwards `run.json` is there and the person has been told."""
        terminal, data_dir, addresses = self._terminal, self._data_dir, self._addresses
        credentials = load_credentials(data_dir)
        terminal.progress("Starting PostgreSQL …")
        cluster = await asyncio.to_thread(
            postgres.open_cluster, data_dir / "postgres", addresses.postgres, named_programs=self._options.pg_bin
        )
        broker = nats.open_broker(data_dir / "nats", addresses.nats, addresses.nats_monitoring, credentials.nats)
        await self.supervisor.start(postgres_process(cluster))
        terminal.progress("Starting NATS …")
        await self.supervisor.start(nats_process(broker, self._answers(broker.health_url)))
        terminal.progress("Migrating databases …")
        await asyncio.to_thread(databases.prepare, cluster, credentials.postgres)
        owners = {service.name: cluster.owner_dsn(service.database) for service in SERVICES.values()}
        try:
            await migrate_all(owners, broker.url, credentials.admin_key)
        except MigrationError as error:
            raise LocalError(
                f"{data_dir} was made by another version of Scrip ({error}); use that version, or another --data-dir."
            ) from None
        dsns = {
            service.name: cluster.role_dsn(service.database, credentials.postgres[service.database], service.database)
            for service in SERVICES.values()
        }
        terminal.progress(f"Starting {', '.join(name for group in STOP_ORDER for name in group)} …")
        # All at once: each waits for those it calls. The groups say in which order they stop.
        await asyncio.gather(
            *(
                self.supervisor.start(
                    *(self._service(SERVICES[name], credentials, dsns[name], broker.url) for name in group)
                )
                for group in reversed(STOP_ORDER)
            )
        )
        terminal.progress("Waiting until the whole system can serve …")
        await self._wait_until_ready()
        made = demo.Demo(data_dir, addresses.http_url, credentials.admin_key)
        demo_key = await made.ensure()
        analyst = cluster.role_dsn(ANALYST, credentials.postgres[ANALYST], ANALYST_DATABASE)
        self._run = RunFile(
            http_url=addresses.http_url,
            grpc={name: addresses.grpc_address(name) for name in SERVICES},
            ops={name: addresses.ops_address(name) for name in SERVICES},
            nats_url=broker.url,
            dsn=dsns | {ANALYST: analyst},
            demo_account=demo.ACCOUNT,
            demo_key=demo_key,
            admin_key=credentials.admin_key,
        )
        self._pids_changed(self.supervisor.pids)
        terminal.started(self._run, str(self._options.data_dir), await made.example(demo_key))

    async def stop(self) -> None:
        """End everything, in reverse; `run.json` is gone first, nobody should come any more."""
        self._run = None
        self._terminal.progress("Stopping; calls under way end first … Ctrl-C again does not wait for them")
        await self.supervisor.stop()
        await self._client.aclose()
        self._terminal.end_progress()

    def _pids_changed(self, pids: dict[str, int]) -> None:
        if self._run is not None:
            self._run = self._run.with_pids(pids)
            self._run.write(self._data_dir)

    def _service(self, service: Service, credentials: Credentials, dsn: str, nats_url: str) -> Process:
        environment = service_environment(
            service,
            inherited=self._options.inherited,
            addresses=self._addresses,
            credentials=credentials,
            files=write_secret_files(self._data_dir, credentials),
            dsn=dsn,
            nats_url=nats_url,
        )
        return Process(
            name=service.name,
            argv=[sys.executable, "-m", service.module],
            env=environment,
            ready=self._answers(f"http://{self._addresses.ops_address(service.name)}/readyz"),
            drain_seconds=service.drain_seconds,
        )

    def _answers(self, url: str) -> Callable[[], Awaitable[bool]]:
        async def check() -> bool:
            try:
                return (await self._client.get(url)).status_code == httpx.codes.OK
            except httpx.HTTPError:
                return False

        return check

    async def _wait_until_ready(self) -> None:
        said = "no answer"
        try:
            async with asyncio.timeout(READY_SECONDS):
                while True:
                    try:
                        answer = await self._client.get(f"{self._addresses.http_url}/readyz")
                        if answer.status_code == httpx.codes.OK:
                            return
                        said = answer.text[:500]
                    except httpx.HTTPError as error:
                        said = repr(error)
                    await asyncio.sleep(READY_POLL_SECONDS)
        except TimeoutError:
            raise LocalError(f"The gateway was not ready within {READY_SECONDS} seconds: {said}") from None


def postgres_process(cluster: postgres.Cluster) -> Process:
    """PostgreSQL for the supervisor. Its errors are refused statements, which the services report."""

    async def ready() -> bool:
        return await asyncio.to_thread(cluster.is_ready)

    return Process(
        name="postgres",
        argv=cluster.argv(),
        env=cluster.environment(),
        ready=ready,
        drain_seconds=postgres.STOP_SECONDS,
        stop_signal=signal.SIGINT,
        identity=cluster.identity.shim,
        cwd=Path("/"),
        before_start=cluster.clear_leftovers,
        echo_from=Severity.CRITICAL,
    )


def nats_process(broker: nats.Broker, ready: Callable[[], Awaitable[bool]]) -> Process:
    """NATS for the supervisor. Its one warning at every start, of a password in a private file, is not news."""
    return Process(
        name="nats",
        argv=broker.argv(),
        env=broker.environment(),
        ready=ready,
        drain_seconds=nats.STOP_SECONDS,
        cwd=Path("/"),
        echo_from=Severity.ERROR,
    )
