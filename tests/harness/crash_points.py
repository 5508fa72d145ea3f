"""Starts a service that kills itself, or once another process, as `kill -9` would, at a named point of a job.

    python -m tests.harness.crash_points executor.answered services.executor
    python -m tests.harness.crash_points executor.answered services.executor 4711

A point lies right before or right after a step that talks to somebody; the service knows nothing of it. A step that
answers nothing (no job was there to be claimed, say) does not count. Kept light: every tool process imports this.
"""

import functools
import importlib
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Point:
    """A step, by its module and its name there, and on which side of it somebody dies."""

    module: str
    step: str
    side: str

    def arm(self, die: Callable[[], None]) -> None:
        """Puts itself in the place of the step."""
        owner: Any = importlib.import_module(self.module)
        *path, name = self.step.split(".")
        for part in path:
            owner = getattr(owner, part)
        setattr(owner, name, self._deadly(getattr(owner, name), die))

    def _deadly(self, step: Callable[..., Any], die: Callable[[], None]) -> Callable[..., Any]:
        @functools.wraps(step)
        async def stepped(*arguments: Any, **named: Any) -> Any:
            if self.side == "before":
                die()
            answer = await step(*arguments, **named)
            if answer is not None and answer != []:
                die()
            return answer

        return stepped


POINTS = {
    "executor.accepted": Point("services.executor.store.submissions", "accept", "after"),
    "executor.extended": Point("services.executor.upkeep.reservations", "Reservations.extend", "after"),
    "executor.begun": Point("services.executor.store.attempts", "begin", "after"),
    "executor.before_call": Point("services.executor.running.runner", "Runner.run", "before"),
    "executor.answered": Point("services.executor.running.runner", "Runner.run", "after"),
    "executor.outcome_stored": Point("services.executor.store.attempts", "move", "after"),
    "executor.before_settle": Point("services.executor.upkeep.reservations", "Reservations.settle", "before"),
    "executor.acknowledged": Point("services.executor.upkeep.reservations", "Reservations.settle", "after"),
    "executor.object_put": Point("services.runtime.objects", "Objects.put", "after"),
    "executor.settled": Point("services.executor.store.settlements", "settle", "after"),
    "gateway.keyed": Point("services.gateway.idempotency", "IdempotencyStore.begin", "after"),
    "gateway.reserved": Point("services.gateway.saga", "Saga._reserve", "after"),
    "gateway.submitted": Point("services.gateway.saga", "Saga.drive", "after"),
}


def main(point: str, service: str, *victim: str) -> None:
    """Arms the point and runs the service."""
    victims = [int(pid) for pid in victim] or [os.getpid()]

    def die() -> None:
        while victims:
            os.kill(victims.pop(), signal.SIGKILL)

    POINTS[point].arm(die)
    importlib.import_module(f"{service}.main").main()


if __name__ == "__main__":
    main(*sys.argv[1:])
