"""How many units a call will use: exact where the input says it, else an upper bound. Pure."""

import math
from collections.abc import Iterator
from typing import Any

from services.catalog.manifests.measure import (
    FromOutput,
    FromResponse,
    InputCharacters,
    InputItems,
    InputMegabytes,
    InputNumber,
    Measure,
    PerCall,
)
from services.catalog.pricing import started_megabytes


def units_of(measure: Measure | None, value: dict[str, Any], size_bytes: int, units_max: int) -> tuple[int, bool]:
    """Units of a call with a valid input of so many bytes, and whether they are exact. `units_max`: the tool's own
    limit, 0 for none."""
    match measure:
        case None:
            return 0, True
        case InputCharacters(pointer=pointer):
            return _characters(_member(value, pointer)), True
        case InputItems(pointer=pointer):
            return len(_member(value, pointer) or []), True
        case InputNumber(pointer=pointer, default=default):
            return math.ceil(_number(_member(value, pointer), default)), True
        case InputMegabytes():
            return started_megabytes(size_bytes), True
        case PerCall():
            return 1, True
        case FromOutput():
            return units_max, False
        case FromResponse():
            return _bound(measure, value, units_max), False


def _bound(measure: FromResponse, value: dict[str, Any], units_max: int) -> int:
    if not measure.at_most and not measure.and_characters:
        return units_max
    bound = math.ceil(_number(_member(value, measure.at_most), measure.default))
    if measure.and_characters:
        # A token is a character or more, save for what has more bytes than characters.
        bound += sum(len(text.encode()) for text in _texts(value))
    return min(bound, units_max) if units_max else bound


def _member(value: dict[str, Any], pointer: str) -> Any:
    return value.get(pointer.removeprefix("/")) if pointer else None


def _number(found: Any, default: int) -> float:
    return found if isinstance(found, int | float) and not isinstance(found, bool) else default


def _characters(found: Any) -> int:
    return sum(map(len, _texts(found)))


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
