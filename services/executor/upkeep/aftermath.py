"""What follows a step of a job that was written: who waits for it is told, and what an ending leaves to do is begun."""

from services.executor import meters
from services.executor.following.watch import Watches
from services.executor.rules.jobs import Transition
from services.executor.store.rows import Job
from services.executor.upkeep.abandoned import Abandoned
from services.executor.upkeep.mover import Mover
from services.executor.upkeep.settlement import Settler


class Aftermath:
    """One a process. All of it is done again elsewhere, later, should this process die before it is."""

    def __init__(self, settler: Settler, abandoned: Abandoned, mover: Mover, watches: Watches) -> None:
        self._settler = settler
        self._abandoned = abandoned
        self._mover = mover
        self._watches = watches

    def of_attempt(self, job: Job) -> None:
        """An attempt was begun."""
        self._watches.tell(job)

    def of_step(self, job: Job, step: Transition | None = None, *, attended: bool) -> None:
        """A step of a job was written; `attended`: by whoever is, or was, at its call. Without the step, an output is
        read from the table."""
        meters.moved(job)
        if step and step.output_files:
            self._mover.poke()
        self._watches.tell(job, step.output_json if step else None)
        if job.has_ended:
            self._settler.take(job)
            if not attended:
                self._abandoned.take(job)
