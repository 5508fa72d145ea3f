"""A real ledger process for the tests of a module; each test makes accounts of its own."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from services.runtime import ids
from services.runtime.grpc_client import Peer
from tests.harness.databases import Databases
from tests.harness.processes import Services
from tests.harness.shared import shared_services
from tests.ledger.client import LedgerClient


@pytest.fixture(scope="module")
def process(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """The process, with NATS beside it."""
    with shared_services(databases, tmp_path_factory.mktemp("ledger")) as running:
        asyncio.run(running.start("ledger"))
        yield running


@pytest.fixture
async def ledger(process: Services) -> AsyncIterator[LedgerClient]:
    """A caller of it."""
    peer = Peer("ledger", process.address("ledger"), process.token)
    yield LedgerClient(peer)
    await peer.close()


@pytest.fixture
async def account(ledger: LedgerClient) -> str:
    """A new account that holds 100 microcredits."""
    account_id = f"a-{ids.uuid7()}"
    await ledger.open(account_id)
    await ledger.grant(account_id, 100)
    return account_id
