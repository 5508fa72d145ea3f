"""Domain errors as what callers are told: the one table is the reason of each error class."""

import contextlib
from collections.abc import Iterator

from services.ledger.domain.errors import CommandRefusedError
from services.runtime.errors import Refusal, Violation


def refusal(error: CommandRefusedError) -> Refusal:
    """The refusal a domain error stands for; every number of its message is in the metadata, and the field at fault."""
    violations = [Violation(str(error.fields["field"]), str(error))] if "field" in error.fields else []
    return Refusal(error.reason, str(error), error.fields, violations)


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Turns a domain error of the body into its refusal."""
    try:
        yield
    except CommandRefusedError as error:
        raise refusal(error) from error
