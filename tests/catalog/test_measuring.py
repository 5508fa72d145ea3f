"""Units that are known only afterwards: what bounds them before."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from services.catalog import measuring
from services.catalog.manifests.measure import Measure

MEASURE: TypeAdapter[Measure] = TypeAdapter(Measure)

ROWS: list[tuple[str, dict[str, Any], dict[str, Any], int]] = [
    ("nothing but the limit", {}, {}, 1_000),
    ("a number of the input", {"at_most": "/seconds"}, {"seconds": 7.2}, 8),
    ("what it is where it is not given", {"at_most": "/seconds", "default": 5}, {}, 5),
    ("a number that does not come from the input", {"default": 300}, {}, 300),
    ("so many times", {"at_most": "/seconds", "times": "/n"}, {"seconds": 4, "n": 3}, 12),
    ("once where that is not given", {"at_most": "/seconds", "times": "/n"}, {"seconds": 4}, 4),
    ("with the characters of all texts", {"default": 10, "and_characters": True}, {"a": ["xy", {"b": "z"}]}, 13),
    ("bytes of the input", {"per_bytes": 500}, {}, 8),
    ("the least of all", {"per_bytes": 500, "at_most": "/seconds"}, {"seconds": 6}, 6),
    ("never beyond the limit", {"at_most": "/seconds"}, {"seconds": 2_000}, 1_000),
]


@pytest.mark.parametrize(("members", "value", "units"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_quote_is_bounded_by_what_the_input_says(members: dict[str, Any], value: dict[str, Any], units: int) -> None:
    """One row for each bound; the input has 3,501 bytes, and the tool's limit are 1,000 units."""
    measure = MEASURE.validate_python({"from": "response", "value": "body.used", **members})
    assert measuring.units_of(measure, value, 3_501, 1_000) == ({"": units}, False)


def test_a_number_times_another_is_exact() -> None:
    """Such as seconds of so many videos, all asked for."""
    measure = MEASURE.validate_python({"from": "input_number", "pointer": "/seconds", "default": 5, "times": "/n"})
    assert measuring.units_of(measure, {"seconds": 2.5, "n": 3}, 10, 0) == ({"": 8}, True)
