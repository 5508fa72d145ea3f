"""What a measurement stands on: a durable PostgreSQL of its own, and that PostgreSQL's own benchmark as the floor."""

import asyncio
import contextlib
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench.ledger.size import Size
from services.cli.local import postgres
from tests.harness.databases import Database, Databases

PGBENCH_SECONDS_MAX = 120


@dataclass(frozen=True)
class Ground:
    """A running server, databases on it, and a folder for files."""

    server: postgres.Server
    databases: Databases
    folder: Path

    @classmethod
    @contextlib.contextmanager
    def opened(cls) -> Iterator[Self]:
        """Everything new; gone at the end."""
        with tempfile.TemporaryDirectory(prefix="scrip-bench-") as name:
            folder = Path(name)
            with postgres.Server.throwaway(folder / "postgres") as server:
                yield cls(server, Databases(server), folder)

    @contextlib.contextmanager
    def database(self) -> Iterator[Database]:
        """A fresh database of the ledger."""
        made = self.databases.create("ledger")
        try:
            yield made
        finally:
            self.databases.drop(made)

    async def transactions(self, clients: int, size: Size) -> "Transactions":
        """What `pgbench -N -M prepared` says at so many clients: an update, a select and an insert, durable."""
        with self.database() as database:
            await self._pgbench("-i", "-q", "-s", str(size.pgbench_scale), dsn=database.owner_dsn)
            length = str(max(round(size.seconds), 1))
            said = await self._pgbench(
                *("-N", "-M", "prepared", "-n", "-c", str(clients), "-T", length), dsn=database.owner_dsn
            )
        rate = re.search(r"tps = ([\d.]+)", said)
        latency = re.search(r"latency average = ([\d.]+) ms", said)
        if rate is None or latency is None:
            raise ValueError(f"pgbench printed no figures:\n{said}")
        return Transactions(float(rate.group(1)), float(latency.group(1)))

    async def _pgbench(self, *options: str, dsn: str) -> str:
        cluster = self.server.cluster
        done = await asyncio.to_thread(
            subprocess.run,
            [str(cluster.programs / "pgbench"), *options, dsn],
            env=cluster.environment(),
            check=True,
            capture_output=True,
            text=True,
            timeout=PGBENCH_SECONDS_MAX,
        )
        return done.stdout


@dataclass(frozen=True)
class Transactions:
    """Transactions a second, and milliseconds each."""

    rate: float
    latency_ms: float
