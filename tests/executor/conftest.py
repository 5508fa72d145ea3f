"""Running services for the tests of the executor, and accounts in them."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from services.cli.local import nats
from services.runtime import ids, topology
from tests.executor.saga import Saga
from tests.harness.databases import Databases
from tests.harness.processes import Services


@pytest.fixture(scope="package")
def running(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """The services, started once for all tests that leave them as they are."""
    folder = tmp_path_factory.mktemp("executor")
    (folder / "services").mkdir()
    with nats.Server.throwaway(folder / "nats") as server:
        asyncio.run(topology.declare(server.broker.url))
        services = Services(databases, server.broker.url, folder / "services")
        try:
            asyncio.run(services.start("ledger", "catalog", "executor"))
            yield services
        finally:
            asyncio.run(services.stop())


@pytest.fixture
async def saga(running: Services) -> AsyncIterator[Saga]:
    """Calls of the running services."""
    yield Saga(running)
    await running.close_peers()


@pytest.fixture
async def acme(saga: Saga) -> str:
    """An account with 1,000 credits."""
    account_id = f"a-{ids.uuid7()}"
    await saga.account(account_id)
    return account_id
