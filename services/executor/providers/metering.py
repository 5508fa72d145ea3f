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

COUNTED: Mapping[str, Callable[[str], int]] = {
    "token": tokens.count,
    "input_token": tokens.count,
    "output_token": tokens.count,
    "character": len,
}
INPUT, OUTPUT = "input", "output"


@dataclass(frozen=True, slots=True)
class Counted:
    """What units of one kind are counted in: the texts of the input, the text that is said, or both."""

    input: bool = False
    output: bool = True


class Meter:
    """One attempt's text and what it used. `quoted` are the units of the quote; those that are not `counted` are exact,
    and used by whatever says something."""

    def __init__(
        self, counted: Mapping[str, Counted], given: Mapping[str, Any], quoted: Mapping[str, int] | None = None
    ) -> None:
        self.text = Text()
        self._counted = {unit: counted[unit] for unit in counted if unit in COUNTED}
        self._quoted = dict(quoted or {})
        self._input = "\n".join(_texts(given))
        self._input_units: dict[str, int] = {}
        self._said: dict[str, int] = {}
        self._counted_by_provider = 0
        self._bytes = 0
        # No unit has less than a byte: so long as fewer bytes came than units are left, nothing needs to be counted.
        size = len(self._input.encode(errors="replace"))
        self._safe_bytes = min((most - size * self._counted[unit].input for unit, most in self._bounds()), default=0)

    @property
    def has_said(self) -> bool:
        """Whether there is any text."""
        return self.text.length > 0

    @property
    def is_ahead(self) -> bool:
        """Whether text has come since the provider last said how many units its output used."""
        return OUTPUT in self._said and self._counted_by_provider < self.text.length

    def prepare(self) -> None:
        """Counts the input; called aside, as reading the vocabulary takes its time, and what is cut is counted at
        once."""
        for unit in self._counted:
            self._input_units[unit] = COUNTED[unit](self._input)

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

    def units(self) -> dict[str, int]:
        """Units used so far, of each kind those of the quote at most."""
        if not self.has_said:
            return dict.fromkeys((*self._quoted, *self._counted), 0)
        used = {unit: self._used(unit) for unit in self._counted}
        return self._quoted | {unit: min(n, self._quoted.get(unit, n)) for unit, n in used.items()}

    def is_full(self) -> bool:
        """Whether all that is reserved for what is said is used up."""
        if not self.has_said or self._bytes < self._safe_bytes:
            return False
        left = min((most - self._used(unit) for unit, most in self._bounds()), default=1)
        self._safe_bytes = self._bytes + left
        return left <= 0

    def _bounds(self) -> list[tuple[str, int]]:
        """Of the units that grow with what is said, those of the quote."""
        return [
            (unit, self._quoted[unit]) for unit, one in self._counted.items() if one.output and unit in self._quoted
        ]

    def _used(self, unit: str) -> int:
        used, count = 0, COUNTED[unit]
        if self._counted[unit].input:
            known = self._said.get(INPUT, self._input_units.get(unit))
            used += count(self._input) if known is None else known
        if self._counted[unit].output:
            used += self._said.get(OUTPUT, 0) + count(self.text.after(self._counted_by_provider))
        return used


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
