"""What waits to be committed on one shard, in order of arrival."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from services.ledger.application.shard import Result, Shard
from services.ledger.domain.commands import Command
from services.ledger.domain.errors import CommandRefusedError
from services.runtime.errors import Refusal

QUEUE_COMMANDS_MAX = 20_000


class Work:
    """Commands of one caller, answered together; without any, a look at the confirmed head."""

    __slots__ = ("commands", "decided", "done", "look", "results", "size")

    def __init__(self, commands: Sequence[Command], look: Callable[[Shard], object] | None = None) -> None:
        self.commands = commands
        self.look = look
        # A look takes a place too: the queue is bounded for both.
        self.size = len(commands) or 1
        # Results that are durable, and those of the commit in hand, which may yet be dropped and decided again.
        self.results: list[Result] = []
        self.decided: list[Result] = []
        self.done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()


class Queue:
    """The works of one shard. A caller who is gone is passed over; nothing a caller does ends the loop."""

    __slots__ = ("_commands", "_number", "_taken", "_works")

    def __init__(self, number: int) -> None:
        self._number = number
        self._works: deque[Work] = deque()
        self._commands = 0
        self._taken: list[Work] = []

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

    def decide(self, shard: Shard) -> None:
        """Decides in order until the batch is full; a work's commands may spread over several batches."""
        self._taken = []
        for work in self._works:
            self._taken.append(work)
            work.decided = []
            if work.done.done():
                continue
            for command in work.commands[len(work.results) :]:
                result = None if shard.is_full else shard.execute(command)
                if result is None:
                    return
                work.decided.append(result)

    def decided(self) -> list[Work]:
        """The works that the last `decide` touched."""
        return self._taken

    def answer(self, shard: Shard) -> None:
        """What was decided is durable: answers the works whose commands are all done."""
        for work in self._taken:
            work.results += work.decided
            work.decided = []
            if work.done.done() or len(work.results) == len(work.commands):
                self._works.popleft()
                self._commands -= work.size
                if not work.done.done():
                    _fulfil(work, shard)
        self._taken = []

    def refuse(self, refusal: Refusal) -> None:
        """Refuses everything that waits."""
        for work in self._works:
            if not work.done.done():
                work.done.set_exception(refusal)
        self._works.clear()
        self._commands = 0
        self._taken = []


def _fulfil(work: Work, shard: Shard) -> None:
    if work.look is None:
        work.done.set_result(work.results)
        return
    try:
        work.done.set_result(work.look(shard))
    except CommandRefusedError as error:
        work.done.set_exception(error)
