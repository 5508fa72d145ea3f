"""What comes of a call, of a handler or of a provider."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from services.executor.rules.output_files import OutputFile

MESSAGE_CHARACTERS_MAX = 500
DETAIL_CHARACTERS_MAX = 8_000
UNITS_MAX = 2**53 - 1
# What floats add to a sum that was a whole number is no unit.
_UNIT_PLACES = 9


class Answer(StrEnum):
    """How a call ended."""

    OUTPUT = "output"
    REJECTED = "rejected"
    REFUSED = "refused"
    FAILED = "failed"
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What came of a call."""

    answer: Answer
    output_json: bytes = b""
    output_files: tuple[OutputFile, ...] = ()
    """Those that are too large for the JSON, which names them."""
    units: dict[str, int] | None = None
    """Used, by name (services/runtime/tariff.py); None: not measured."""
    reason: str = ""
    """A stable word: the tool's own where it rejected the input, the job's where the call failed."""
    message: str = ""
    """For the caller."""
    detail: str = ""
    """For the log: what was raised, and where."""
    worked: bool = True
    """Whether work may have been done; what was not done costs nothing, whatever the tool's rules."""


def whole_units(found: Any) -> int | None:
    """A number of units, begun ones whole; None for what is none."""
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= UNITS_MAX:
        return None
    return math.ceil(round(found, _UNIT_PLACES))


def printable(text: str, characters_max: int = MESSAGE_CHARACTERS_MAX) -> str:
    """Text that a database and a terminal can take: bounded, without control characters or broken surrogates."""
    clean = "".join(character if character.isprintable() else " " for character in str(text)[:characters_max])
    return clean.encode(errors="replace").decode()
