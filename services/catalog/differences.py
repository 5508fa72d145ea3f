"""What is different between two values of plain JSON, member by member. Pure."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

SHOWN_CHARS_MAX = 200
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """One member: its path, and JSON of what it was and is, shortened; empty where it is not there."""

    path: str
    before: str
    after: str


def differences(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Difference]:
    """Every member that is different, in the order of `after`, then what is no longer there."""
    return _between(before, after, "")


def _between(before: Any, after: Any, path: str) -> Iterator[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*after, *(name for name in before if name not in after)]:
            here = f"{path}.{name}" if path else name
            yield from _between(before.get(name, _ABSENT), after.get(name, _ABSENT), here)
    elif isinstance(before, list) and isinstance(after, list):
        for index in range(max(len(before), len(after))):
            yield from _between(_item(before, index), _item(after, index), f"{path}.{index}")
    elif before != after or isinstance(before, bool) != isinstance(after, bool):
        yield Difference(path, _shown(before), _shown(after))


def _item(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else _ABSENT


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return ""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARS_MAX else f"{text[: SHOWN_CHARS_MAX - 1]}…"
