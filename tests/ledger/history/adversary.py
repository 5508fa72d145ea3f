"""Trouble for a ledger: kills, freezes and lost sessions, each after callers got some more answers."""

import random
from collections.abc import Awaitable, Callable

from services.ledger.application.upkeep import snapshotting
from services.runtime import clock
from tests.harness.own_postgres import OwnPostgres
from tests.harness.replicas import Replicas
from tests.harness.waiting import eventually
from tests.ledger.history.world import SHARDS

ANSWERS_SECONDS = 60
# Callers get on by so many answers between two troubles, at most.
ANSWERS_MAX = 60
FROZEN_ANSWERS_MAX = 20


class Adversary:
    """Makes trouble by chance; after each, everything runs again."""

    def __init__(
        self, choose: random.Random, replicas: Replicas, server: OwnPostgres, answers: Callable[[], int]
    ) -> None:
        self._choose = choose
        self._replicas = replicas
        self._server = server
        self._answers = answers
        self.done: list[str] = []
        self.kinds: dict[str, Callable[[], Awaitable[None]]] = {
            "kill one": self._kill_one,
            "lose sessions": self._lose_sessions,
            "freeze one": self._freeze_one,
            "kill PostgreSQL": server.crash,
            "take snapshots": self._take_snapshots,
            "kill both": self._kill_both,
        }

    async def make(self, *names: str) -> None:
        """These troubles, in this order, each amid answers."""
        for name in names:
            await self._more_answers()
            self.done.append(name)
            await self.kinds[name]()
        await self._more_answers()

    async def make_until(self, deadline: float) -> None:
        """Any trouble, until a time of the monotonic clock."""
        while clock.monotonic() < deadline:
            await self.make(self._choose.choice(list(self.kinds)))

    async def _more_answers(self, at_most: int = ANSWERS_MAX) -> None:
        target = self._answers() + self._choose.randrange(at_most)
        await eventually(
            lambda: self._answers() >= target, ANSWERS_SECONDS, lambda: f"no more answers after {self.done}"
        )

    async def _kill_one(self) -> None:
        number = self._choose.randrange(2)
        self._replicas.kill(number)
        await self._more_answers()
        await self._replicas.start(number)

    async def _kill_both(self) -> None:
        for number in range(2):
            self._replicas.kill(number)
        await self._replicas.start(0, 1)

    async def _take_snapshots(self) -> None:
        """From then on a replica that starts, or starts over, begins with them."""
        for shard in range(SHARDS):
            await snapshotting.make(self._replicas.database.dsn, shard)

    async def _freeze_one(self) -> None:
        number = self._choose.randrange(2)
        self._replicas.freeze(number)
        # Half of the calls wait for it.
        await self._more_answers(FROZEN_ANSWERS_MAX)
        self._replicas.thaw(number)

    async def _lose_sessions(self) -> None:
        self._server.databases.disconnect(self._replicas.database)
