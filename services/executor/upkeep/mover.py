"""Moves files of outputs from the database to the object store, one after the other, as soon as they are written.

Any executor does, whoever wrote them. While NATS is away they stay where they are, and can be read all the same.
"""

import asyncio

from services.executor import meters
from services.executor.output_contents import OutputContents
from services.executor.patience import Patience
from services.runtime.broker import Broker
from services.runtime.errors import Refusal
from services.runtime.lifecycle import Signal

LOOK_SECONDS = 2.0


class Mover:
    """One a process; `run` is its worker."""

    def __init__(self, contents: OutputContents, broker: Broker) -> None:
        self._contents = contents
        self._broker = broker
        self._written = Signal()
        self._patience = Patience("object store (output files)", most_seconds=30.0)

    def poke(self) -> None:
        """There is something to move."""
        self._written.poke()

    async def run(self) -> None:
        """Moves for ever; outages are waited out."""
        while True:
            try:
                meters.FILES_WAITING.set(await self._contents.waiting())
                # Each take counts, so nothing is taken that could not be put anywhere.
                more = self._broker.jetstream() is not None and await self._contents.move_one()
            except Refusal as refusal:
                await asyncio.sleep(self._patience.failed(refusal))
            else:
                self._patience.worked()
                if not more:
                    await self._written.wait(LOOK_SECONDS)
