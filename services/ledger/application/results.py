"""What commands lead to, inside the ledger."""

from dataclasses import dataclass

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.domain.account import Account, Reservation
from services.ledger.domain.commands import Command
from services.ledger.domain.errors import CommandRefusedError, InsufficientCreditsError


@dataclass(slots=True)
class Answer:
    """A command was done. `subject` is a copy of what it was about, as it stood then; for commands that are answered
    by what happened (grants, voids, refunds, adjustments, transfers), the event itself."""

    subject: Account | Reservation | pb.Event
    replayed: bool
    # Position of the command's event within its shard; 0 where it made none.
    position: int
    # When that event was recorded.
    at: int = 0


@dataclass(slots=True)
class Refused:
    """Why a command was not done."""

    error: CommandRefusedError


@dataclass(slots=True)
class Recorded:
    """A replay whose first answer is event `index` of commit `seq`: for whoever reads the log."""

    shard: int
    seq: int
    index: int
    refused: bool


@dataclass(slots=True)
class NotOpen:
    """The reservation is not open: whoever reads the entries tells whether it ended, and how."""

    shard: int
    command: Command
    replayed: bool


Decided = Answer | Refused | Recorded | NotOpen
Result = Answer | Refused


class BrokenChainError(Exception):
    """The log does not fit together; nothing may be appended to what it says."""


def insufficient(event: pb.Event) -> InsufficientCreditsError:
    """The refusal that a recorded one stands for."""
    return InsufficientCreditsError(
        required_micros=event.amount_micros,
        available_micros=event.available_after_micros,
        reserved_micros=event.reserved_after_micros,
    )
