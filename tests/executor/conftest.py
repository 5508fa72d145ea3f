"""Running services for the tests of the executor, and accounts in them."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from services.runtime import ids
from tests.executor.saga import Saga
from tests.executor.studio import Gallery, opened
from tests.harness.databases import Databases
from tests.harness.processes import Services
from tests.harness.shared import shared_services


@pytest.fixture(scope="package")
def running(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """The services, started once for all tests that leave them as they are."""
    with shared_services(databases, tmp_path_factory.mktemp("executor")) as services:
        asyncio.run(services.start("ledger", "catalog", "executor"))
        yield services


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


@pytest.fixture(scope="package")
def gallery(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    """The services with the studio as a provider, for all tests that need one."""
    with opened(databases, tmp_path_factory.mktemp("gallery")) as gallery:
        yield gallery
