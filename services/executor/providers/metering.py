"""What a streamed call has used so far, counted here: a stream that is cut still has its cost. Pure.

A call that has said nothing has used nothing. Else it has used its input, where the quote reserved that, and what it
said: characters are counted exactly, tokens by the vocabulary in `material.tokens`. What the provider says it used so
far goes before our own count of the same.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from services.executor.material import tokens
from services.executor.providers.text import Text

COUNTED: Mapping[str, Callable[[str], int]] = {"token": tokens.count, "character": len}
INPUT, OUTPUT = "input", "output"


@dataclass(frozen=True, slots=True)
class Metering:
    """How calls of a tool are metered."""

    unit: str = ""
    """token or character; empty: the units of the quote are exact, and the call that said something used them."""
    counts_input: bool = False
    """Whether the texts of the input are charged."""


class Meter:
    """One attempt's text and what it used; `units_max` are those of the quote."""

    def __init__(self, metering: Metering, given: Mapping[str, Any], units_max: int | None = None) -> None:
        self.text = Text()
        self._count = COUNTED.get(metering.unit)
        self._input = "\n".join(_texts(given)) if metering.counts_input else ""
        self._input_units: int | None = None
        self._units_max = units_max
        self._said: dict[str, int] = {}
        self._counted_by_provider = 0
        self._bytes = 0
        # No unit has less than a byte: so long as fewer bytes came than units are left, nothing needs to be counted.
        self._safe_bytes = (units_max or 0) - len(self._input.encode(errors="replace"))

    @property
    def has_said(self) -> bool:
        """Whether there is any text."""
        return self.text.length > 0

    def prepare(self) -> None:
        """Counts the input; called aside, as reading the vocabulary takes its time, and what is cut is counted at
        once."""
        if self._count:
            self._input_units = self._count(self._input)

    def put(self, piece: str) -> None:
        """What the provider says next; halves of characters that JSON may hold are replaced."""
        content = piece.encode(errors="replace")
        self._bytes += len(content)
        self.text.put(content.decode())

    def say(self, part: str, units: int) -> None:
        """The provider says how many units its `input` used, or its `output` so far."""
        if self._said.get(part) != units:
            self._said[part] = units
            self._safe_bytes = 0
        if part == OUTPUT:
            self._counted_by_provider = self.text.length

    def units(self) -> int:
        """Units used so far, those of the quote at most."""
        if not self.has_said:
            return 0
        if self._count is None:
            return self._units_max or 0
        used = self._used()
        return used if self._units_max is None else min(used, self._units_max)

    def is_full(self) -> bool:
        """Whether all that is reserved is used up."""
        if self._units_max is None or self._count is None or not self.has_said:
            return False
        if self._bytes < self._safe_bytes:
            return False
        used = self._used()
        self._safe_bytes = self._bytes + self._units_max - used
        return used >= self._units_max

    def _used(self) -> int:
        count = self._count or len
        given = self._said.get(INPUT)
        if given is None:
            given = count(self._input) if self._input_units is None else self._input_units
        return given + self._said.get(OUTPUT, 0) + count(self.text.after(self._counted_by_provider))


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from _texts(item)
        case dict():
            for member in value.values():
                yield from _texts(member)
