"""Telephone numbers in a text."""

import json
from typing import Any

import pytest

from services.executor.handlers import extract_phone_numbers
from services.executor.material.errors import ToolError


def extracted(text: str, region: str | None = None) -> list[dict[str, Any]]:
    output = extract_phone_numbers.run({"text": text} | ({"region": region} if region else {}), {})
    assert json.loads(json.dumps(output)) == output
    numbers: list[dict[str, Any]] = output["numbers"]
    assert all(text[each["start"] : each["end"]] == each["text"] for each in numbers)
    return numbers


def test_a_number_is_told_with_all_its_forms() -> None:
    """And its place in code points."""
    assert extracted("😀 Call +44 20 7946 0958!") == [
        {
            "text": "+44 20 7946 0958",
            "start": 7,
            "end": 23,
            "e164": "+442079460958",
            "international": "+44 20 7946 0958",
            "national": "020 7946 0958",
            "country": "GB",
            "type": "fixed_line",
        }
    ]


@pytest.mark.parametrize(
    ("text", "region", "e164", "kind"),
    [
        ("(415) 555-2671", "US", "+14155552671", "fixed_line_or_mobile"),
        ("1-800-356-9377", "US", "+18003569377", "toll_free"),
        ("Tel.: 0151 23456789", "DE", "+4915123456789", "mobile"),
        ("(0 89) 12 34 56-78", "DE", "+498912345678", "fixed_line"),
        ("06.12.34.56.78", "FR", "+33612345678", "mobile"),
        ("٠٥٠١٢٣٤٥٦٧", "SA", "+966501234567", "mobile"),
    ],
)
def test_a_region_writes_its_numbers_in_its_own_way(text: str, region: str, e164: str, kind: str) -> None:
    """They are found with it only."""
    assert [(each["e164"], each["type"], each["country"]) for each in extracted(text, region)] == [(e164, kind, region)]
    assert extracted(text) == []


def test_a_bracket_around_a_number_is_no_part_of_it() -> None:
    """One within is."""
    assert [each["text"] for each in extracted("(+44 20 7946 0958), (415) 555-2671", "US")] == [
        *("+44 20 7946 0958", "(415) 555-2671")
    ]


def test_an_extension_is_told() -> None:
    """It is no part of what machines dial."""
    (number,) = extracted("(415) 555-2671 ext. 12", "US")
    assert (number["extension"], number["e164"]) == ("12", "+14155552671")


def test_a_number_of_the_whole_world_has_no_country() -> None:
    """International freephone."""
    (number,) = extracted("+800 1234 5678")
    assert "country" not in number


@pytest.mark.parametrize("text", ["2024-03-05 12:30", "ISBN 978-3-16-148410-0", "192.168.100.200", "1234567890", " "])
def test_what_is_no_number_is_left(text: str) -> None:
    """Dates, addresses, numbers of things."""
    assert extracted(text, "US") == []


def test_the_first_2000_are_listed_and_all_counted() -> None:
    """In order."""
    output = extract_phone_numbers.run({"text": "+44 20 7946 0958; " * 2_001}, {})
    assert (output["count"], len(output["numbers"])) == (2_001, extract_phone_numbers.NUMBERS_MAX)


def test_an_unknown_region_is_the_callers() -> None:
    """It is named."""
    with pytest.raises(ToolError) as refused:
        extracted("x", "ZZ")
    assert refused.value.reason == "REGION_UNKNOWN"
    assert "region: ZZ" in refused.value.message
