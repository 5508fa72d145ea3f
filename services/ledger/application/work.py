"""What waits to be committed on one shard, in order of arrival."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from services.ledger.application.results import Decided
from services.ledger.application.shard import Shard
from services.ledger.domain.commands import Command
from services.ledger.domain.errors import CommandRefusedError
from services.runtime.errors import Refusal

QUEUE_COMMANDS_MAX = 20_000


class Work:
    """Commands of one caller, answered together; without any, a look at the shard.

    `together`: all of them are applied, or none. A look finds the confirmed head, unless it `may_be_stale`.
    """

    __slots__ = ("commands", "decided", "done", "look", "may_be_stale", "results", "size", "together")

    def __init__(
        self,
        commands: Sequence[Command],
        look: Callable[[Shard], object] | None = None,
        *,
        together: bool = False,
        may_be_stale: bool = False,
    ) -> None:
        self.commands = commands
        self.look = look
        self.together = together
        self.may_be_stale = may_be_stale
        # A look takes a place too: the queue is bounded for both.
        self.size = len(commands) or 1
        # Results that are durable, and those of the commit in hand, which may yet be undone and decided again.
        self.results: list[Decided] = []
        self.decided: list[Decided] = []
        self.done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()


class Queue:
    """The works of one shard. A caller who is gone is passed over; nothing a caller does ends the loop."""

    __slots__ = ("_commands", "_number", "_taken", "_works")

    def __init__(self, number: int) -> None:
        self._number = number
        self._works: deque[Work] = deque()
        self._commands = 0
        # How many works, from the first, the batch in hand has decided.
        self._taken = 0

    def __len__(self) -> int:
        return len(self._works)

    def add(self, work: Work) -> None:
        """Takes a work in; refuses when too many commands wait."""
        if self._commands + work.size > QUEUE_COMMANDS_MAX:
            raise Refusal(
                "RATE_LIMITED",
                f"{self._commands} commands wait on shard {self._number}, at most {QUEUE_COMMANDS_MAX} may; "
                "try again shortly",
                {"queued": self._commands, "limit": QUEUE_COMMANDS_MAX, "retry_after_seconds": 1},
            )
        self._works.append(work)
        self._commands += work.size

    def decide(self, shard: Shard) -> bool:
        """Decides in order until the batch is full; a work's commands may spread over several batches.

        Answers whether the log's head must be confirmed where nothing is appended.
        """
        taken = 0
        confirm = False
        for work in self._works:
            taken += 1
            confirm = confirm or not work.may_be_stale
            if not work.done.done() and not _decide(work, shard):
                break
        self._taken = taken
        return confirm

    def undecide(self) -> None:
        """The batch in hand was undone: its works are decided again."""
        for work in self._decided():
            work.decided = []
        self._taken = 0

    def answer(self, shard: Shard) -> None:
        """What was decided is durable: answers the works whose commands are all done."""
        works = self._works
        for work in self._decided():
            if work.decided:
                work.results = work.results + work.decided if work.results else work.decided
                work.decided = []
            if work.done.done() or len(work.results) == len(work.commands):
                works.popleft()
                self._commands -= work.size
                if not work.done.done():
                    _fulfil(work, shard)
        self._taken = 0

    def refuse(self, refusal: Refusal) -> None:
        """Refuses everything that waits."""
        for work in self._works:
            if not work.done.done():
                work.done.set_exception(refusal)
        self._works.clear()
        self._commands = self._taken = 0

    def _decided(self) -> list[Work]:
        return [self._works[place] for place in range(self._taken)]


def _decide(work: Work, shard: Shard) -> bool:
    """Decides what is left of a work; false when the batch is full before all is."""
    if work.together:
        decided = shard.execute_together(work.commands)
        if decided is None:
            return False
        work.decided = decided
        return True
    decided = work.decided
    for command in work.commands[len(work.results) :] if work.results else work.commands:
        result = None if shard.is_full else shard.execute(command)
        if result is None:
            return False
        decided.append(result)
    return True


def _fulfil(work: Work, shard: Shard) -> None:
    if work.look is None:
        work.done.set_result(work.results)
        return
    try:
        work.done.set_result(work.look(shard))
    except CommandRefusedError as error:
        work.done.set_exception(error)
