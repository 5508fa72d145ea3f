"""What a call is said to have used."""

from typing import Any

import pytest

from services.executor.rules.answers import UNITS_MAX, whole_units


@pytest.mark.parametrize(
    ("found", "units"),
    [
        (0, 0),
        (3, 3),
        (0.001, 1),
        (3.0000000000000004, 3),
        (2.9999999999999996, 3),
        (UNITS_MAX, UNITS_MAX),
        (UNITS_MAX + 1, None),
        (10**400, None),
        (-1, None),
        (True, None),
        ("3", None),
        (None, None),
        (float("nan"), None),
        (float("inf"), None),
    ],
)
def test_units_are_whole(found: Any, units: int | None) -> None:
    """Begun ones count; what floats add to a whole number does not."""
    assert whole_units(found) == units
