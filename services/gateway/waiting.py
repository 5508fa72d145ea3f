"""How long an answer may take: the `Prefer` header, and waits that end early when the gateway stops."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from services.runtime.errors import invalid

SECONDS_DEFAULT = 30
SECONDS_MAX = 60
RESPOND_ASYNC = "respond-async"


@dataclass(frozen=True, slots=True)
class Preference:
    """Seconds to wait for the outcome, and what to answer in `Preference-Applied` (empty: nothing was asked)."""

    seconds: int
    applied: str

    @property
    def is_async(self) -> bool:
        """Whether nobody waits."""
        return self.applied == RESPOND_ASYNC


def parse(headers: Sequence[str]) -> Preference:
    """The wait that `Prefer` headers ask for (RFC 7240): `wait=N` with 0 to 60, or `respond-async`, which is 0.

    Other preferences are ignored, as the RFC asks; the first of several waits counts. Raises REQUEST_INVALID.
    """
    seconds: int | None = None
    respond_async = False
    for preference in ",".join(headers).split(","):
        name, _, value = preference.partition(";")[0].strip().partition("=")
        name, value = name.strip().lower(), value.strip().strip('"')
        if name == RESPOND_ASYNC:
            respond_async = True
        elif name == "wait" and seconds is None:
            if not (value.isascii() and value.isdecimal()) or len(value) > 4 or int(value) > SECONDS_MAX:
                raise invalid("Prefer", f"wait must be a whole number from 0 to {SECONDS_MAX}")
            seconds = int(value)
    if respond_async:
        return Preference(0, RESPOND_ASYNC)
    if seconds is not None:
        return Preference(seconds, f"wait={seconds}")
    return Preference(SECONDS_DEFAULT, "")


class Waits:
    """All waits of this process, so that a gateway that is told to stop can answer them at once."""

    def __init__(self) -> None:
        self._limits: set[asyncio.Timeout] = set()
        self._ended = False

    @property
    def have_ended(self) -> bool:
        """Whether nothing is waited for any more."""
        return self._ended

    @contextlib.asynccontextmanager
    async def up_to(self, seconds: float) -> AsyncIterator[asyncio.Timeout]:
        """Runs the body for at most `seconds`, then goes on after it. The body may reschedule the limit."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0 if self._ended else seconds) as limit:
                self._limits.add(limit)
                try:
                    yield limit
                finally:
                    self._limits.discard(limit)

    def end(self) -> None:
        """Ends all waits, and every later one as it begins."""
        self._ended = True
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(asyncio.get_running_loop().time())
