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
    OneMeasure,
    PerCall,
    measures_of,
)
from services.catalog.pricing import started_megabytes


def units_of(
    measure: Measure | None, value: dict[str, Any], size_bytes: int, units_max: int
) -> tuple[dict[str, int], bool]:
    """Units of a call with a valid input of so many bytes, by name (see `measures_of`), and whether they are exact.
    `units_max`: the tool's own limit of each, 0 for none."""
    found = {unit: _of_one(one, value, size_bytes, units_max) for unit, one in measures_of(measure).items()}
    return {unit: n for unit, (n, _) in found.items()}, all(exact for _, exact in found.values())


def _of_one(measure: OneMeasure, value: dict[str, Any], size_bytes: int, units_max: int) -> tuple[int, bool]:
    match measure:
        case InputCharacters(pointer=pointer):
            return _characters(_member(value, pointer)), True
        case InputItems(pointer=pointer):
            return len(_member(value, pointer) or []), True
        case InputNumber(pointer=pointer, default=default, times=times):
            return _product(value, pointer, default, times), True
        case InputMegabytes():
            return started_megabytes(size_bytes), True
        case PerCall():
            return 1, True
        case FromOutput():
            return units_max, False
        case FromResponse():
            return _bound(measure, value, size_bytes, units_max), False


def _bound(measure: FromResponse, value: dict[str, Any], size_bytes: int, units_max: int) -> int:
    bounds = [units_max] if units_max else []
    if measure.has_bound:
        bound = _product(value, measure.at_most, measure.default, measure.times)
        if measure.and_characters:
            # A token is a character or more, save for what has more bytes than characters.
            bound += sum(len(text.encode()) for text in _texts(value))
        bounds.append(bound)
    if measure.per_bytes:
        bounds.append(-(-size_bytes // measure.per_bytes))
    return min(bounds)


def _product(value: dict[str, Any], pointer: str, default: int, times: str) -> int:
    return math.ceil(_number(_member(value, pointer), default) * (_number(_member(value, times), 1) if times else 1))


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
