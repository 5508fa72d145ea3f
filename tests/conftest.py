"""What tests run on: a real PostgreSQL for the session, a real NATS a test, real processes of the services."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.cli.local import nats, ports, postgres
from services.runtime import topology
from tests.harness.databases import Databases
from tests.harness.processes import Services
from tests.harness.stack import Stack


def pytest_configure(config: pytest.Config) -> None:
    """Tests that run side by side take their free ports from ranges of their own.

    Between being found free and being listened on, a port could else be found free by both.
    """
    worker = getattr(config, "workerinput", None)
    if worker:
        number, count = int(worker["workerid"].removeprefix("gw")), int(worker["workercount"])
        width = (ports.FREE_LAST - ports.FREE_FIRST) // count
        ports.FREE_FIRST += number * width
        ports.FREE_LAST = ports.FREE_FIRST + width


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """A PostgreSQL of this session, durable as in production."""
    with tempfile.TemporaryDirectory(prefix="scrip-test-") as folder, postgres.Server.throwaway(Path(folder)) as server:
        yield server
        server.abandon()


@pytest.fixture(scope="session")
def databases(postgres_server: postgres.Server) -> Databases:
    """Fresh databases at a few milliseconds each."""
    return Databases(postgres_server)


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[nats.Server]:
    """A NATS of this test; it can be killed and started again."""
    with nats.Server.throwaway(tmp_path / "nats") as server:
        yield server


@pytest.fixture
async def nats_url(nats_server: nats.Server) -> str:
    """Its address, streams and consumers declared."""
    await topology.declare(nats_server.broker.url)
    return nats_server.broker.url


@pytest.fixture
async def services(databases: Databases, nats_url: str, tmp_path: Path) -> AsyncIterator[Services]:
    """Real processes of the services."""
    folder = tmp_path / "services"
    folder.mkdir()
    running = Services(databases, nats_url, folder)
    try:
        yield running
    finally:
        await running.stop()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """`scrip run`, shared by the tests of a module; each makes accounts of its own."""
    running = Stack(tmp_path_factory.mktemp("stack") / "data")
    asyncio.run(running.start())
    try:
        yield running
    finally:
        asyncio.run(running.stop())
