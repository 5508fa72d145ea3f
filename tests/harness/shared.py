"""Services that many tests use one after another; each makes accounts of its own."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

from services.cli.local import nats
from services.runtime import topology
from tests.harness.databases import Databases
from tests.harness.processes import Services


@contextlib.contextmanager
def shared_services(databases: Databases, folder: Path) -> Iterator[Services]:
    """Not started yet, with a NATS beside them; everything ends with the block."""
    with nats.Server.throwaway(folder / "nats") as server:
        asyncio.run(topology.declare(server.broker.url))
        (folder / "services").mkdir()
        services = Services(databases, server.broker.url, folder / "services")
        try:
            yield services
        finally:
            asyncio.run(services.stop())
