"""Domain errors as what callers are told: the one table is the reason of each error class."""

from services.ledger.domain.errors import CommandRefusedError
from services.runtime.errors import Refusal


def refusal(error: CommandRefusedError) -> Refusal:
    """The refusal a domain error stands for; every number of its message is in the metadata."""
    return Refusal(error.reason, str(error), error.fields)
