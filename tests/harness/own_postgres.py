"""A PostgreSQL of one test, which may be killed."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from services.cli.local import postgres
from tests.harness.databases import Databases


class OwnPostgres:
    """A server that lives in a thread of its own: it dies with the thread that started it, and starting it takes long
    enough for the test's loop to have something else to do."""

    def __init__(self, folder: Path) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._server = self._thread.submit(postgres.Server.throwaway, folder).result()
        self.databases = Databases(self._server)

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._server.pid

    async def crash(self) -> None:
        """`kill -9` of the server; returns when it was started again and takes connections."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._crash)

    def _crash(self) -> None:
        self._server.kill()
        self._server.start()

    def close(self) -> None:
        """Stops it for good."""
        self._thread.submit(self._server.stop).result()
        self._thread.shutdown()
