"""Every test of the whole system closes its HTTP clients while its loop still runs."""

from collections.abc import AsyncIterator

import pytest

from tests.harness.stack import Stack


@pytest.fixture(autouse=True)
async def clients_closed(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Closes what the test opened on the shared stack."""
    yield
    if "stack" in request.fixturenames:
        stack: Stack = request.getfixturevalue("stack")
        await stack.close_clients()
