"""Waiting out an outage: a pause that grows to a bound, and one line in the log a failure's beginning and end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from services.runtime import clock, ids, logs
from services.runtime.postgres import OUTAGES

log = logs.get("outage")

Result = TypeVar("Result")


class Patience:
    """One for each loop; `what` is what the loop waits for."""

    def __init__(self, what: str, first_seconds: float = 0.1, most_seconds: float = 2.0) -> None:
        self._what = what
        self._first = first_seconds
        self._most = most_seconds
        self._pause = first_seconds
        self._since: float | None = None

    @property
    def failing(self) -> bool:
        """Whether the last try failed."""
        return self._since is not None

    @property
    def pause_seconds(self) -> float:
        """How long to wait before the next try."""
        return self._pause * (0.5 + ids.fraction() / 2)

    def failed(self, error: BaseException | str) -> float:
        """Notes a failure; answers the seconds to wait, with jitter."""
        if self._since is None:
            self._since = clock.monotonic()
            log.warning("outage_began", what=self._what, error=str(error).strip().partition("\n")[0])
        pause = self.pause_seconds
        self._pause = min(self._pause * 2, self._most)
        return pause

    def worked(self) -> None:
        """Notes that the outage, if there was one, is over."""
        if self._since is not None:
            log.info("outage_over", what=self._what, seconds=round(clock.monotonic() - self._since, 1))
            self._since = None
            self._pause = self._first

    async def insist(self, action: Callable[[], Awaitable[Result]]) -> Result:
        """Does `action` until the database answers, however long that takes; other errors are the caller's."""
        while True:
            try:
                result = await action()
            except OUTAGES as error:
                await asyncio.sleep(self.failed(error))
            else:
                self.worked()
                return result
