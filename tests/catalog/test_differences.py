"""What is different between two values of JSON."""

from typing import Any

import pytest

from services.catalog.differences import Difference, differences

ROWS: list[tuple[str, dict[str, Any], dict[str, Any], list[tuple[str, str, str]]]] = [
    ("the same", {"a": {"b": [1]}}, {"a": {"b": [1]}}, []),
    ("the same, in another order", {"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
    ("a value", {"a": {"b": 1}}, {"a": {"b": 2}}, [("a.b", "1", "2")]),
    ("one more", {}, {"a": {"b": "ü"}}, [("a", "", '{"b": "ü"}')]),
    ("one less", {"a": None}, {}, [("a", "null", "")]),
    ("items", {"a": [1, 2, 3]}, {"a": [1, 4]}, [("a.1", "2", "4"), ("a.2", "3", "")]),
    ("another type", {"a": [1]}, {"a": {"0": 1}}, [("a", "[1]", '{"0": 1}')]),
    ("true is not one", {"a": 1}, {"a": True}, [("a", "1", "true")]),
    ("one is one", {"a": 1}, {"a": 1.0}, []),
    ("in the order of what is", {"a": 1, "b": 1, "c": 1}, {"c": 2, "b": 2}, [
        ("c", "1", "2"), ("b", "1", "2"), ("a", "1", ""),
    ]),
    ("a long one", {"a": ""}, {"a": "x" * 300}, [("a", '""', '"' + "x" * 198 + "…")]),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "found"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_every_member_that_differs_is_told(
    before: dict[str, Any], after: dict[str, Any], found: list[tuple[str, str, str]]
) -> None:
    """With its path, and JSON of what it was and is."""
    assert list(differences(before, after)) == [Difference(*one) for one in found]
