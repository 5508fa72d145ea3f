"""Replicas and a client of them."""

from collections.abc import AsyncIterator

import pytest

from scrip_client import LedgerClient, sender
from tests.client.double import LedgerDouble


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "PAUSE_SECONDS_MAX", 0.005)


@pytest.fixture
async def ledger(short_pauses: None) -> AsyncIterator[LedgerDouble]:
    double = LedgerDouble()
    await double.start()
    yield double
    await double.stop()


@pytest.fixture
async def client(ledger: LedgerDouble) -> AsyncIterator[LedgerClient]:
    """A client of one replica."""
    async with LedgerClient(ledger.address, "token") as client:
        yield client


@pytest.fixture
async def replicas(short_pauses: None) -> AsyncIterator[list[LedgerDouble]]:
    doubles = [LedgerDouble(), LedgerDouble()]
    for double in doubles:
        await double.start()
    yield doubles
    for double in doubles:
        await double.stop()
