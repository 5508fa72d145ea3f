"""An account's balance, and again after each change."""

import asyncio
from collections.abc import AsyncGenerator

from services.ledger.application.ledger import Ledger
from services.ledger.domain.balance import Balance
from services.runtime import lifecycle
from services.runtime.errors import Refusal

# Of a process: each looks at its account after every commit, and now and then.
WATCHERS_MAX = 1_000
# Changes that follow each other closely are told together.
GATHER_SECONDS = 0.05
# What other replicas append pokes nobody here.
LOOK_SECONDS = 0.5


class Watch:
    """Lets a bounded number of callers watch balances."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._watchers = 0

    async def balances(self, account_id: str) -> AsyncGenerator[tuple[Balance, str], None]:
        """Balance and position, whenever credits changed, until the process is told to stop; raises AccountNotFound."""
        if self._watchers >= WATCHERS_MAX:
            raise Refusal(
                "RATE_LIMITED",
                f"{self._watchers} balances are watched, at most {WATCHERS_MAX} can be",
                {"watchers": self._watchers, "limit": WATCHERS_MAX, "retry_after_seconds": 1},
            )
        self._watchers += 1
        try:
            told: tuple[int, ...] = ()
            while not lifecycle.stopping():
                _, balance, position, _ = await self._ledger.balance(account_id)
                b = balance
                credits = (b.granted, b.available, b.reserved, b.spent, b.expired, b.voided)
                if credits != told:
                    told = credits
                    yield balance, position
                await self._ledger.followers_signal.wait(LOOK_SECONDS)
                await asyncio.sleep(GATHER_SECONDS)
        finally:
            self._watchers -= 1
