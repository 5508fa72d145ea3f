"""Decimal strings of credits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway import credits


@given(st.integers(min_value=1, max_value=credits.MICROS_MAX))
def test_shown_credits_parse_back(micros: int) -> None:
    """What is shown for an amount is read as the same amount."""
    assert credits.parse(credits.show(micros)) == micros


@given(st.integers(min_value=-credits.MICROS_MAX, max_value=credits.MICROS_MAX))
def test_shown_credits_have_no_needless_characters(micros: int) -> None:
    """An amount is shown without trailing zeros, exponents or more than six places."""
    shown = credits.show(micros)
    whole, point, places = shown.removeprefix("-").partition(".")
    assert whole == "0" or not whole.startswith("0")
    assert bool(point) == bool(places)
    assert len(places) <= 6
    assert not places.endswith("0")
    assert shown.startswith("-") == (micros < 0)


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("12.5", 12_500_000),
        ("0.000001", 1),
        ("1000", 1_000_000_000),
        ("1.50", 1_500_000),
        ("9223372036854.775807", 2**63 - 1),
    ],
)
def test_credits_are_read_exactly(text: str, micros: int) -> None:
    """A decimal string is read to the last microcredit."""
    assert credits.parse(text) == micros


@pytest.mark.parametrize(
    ("text", "words"),
    [
        *(
            (text, "decimal string")
            for text in ("", "x", "+1", "--1", "1e3", "1.", ".5", "01", "1.0000001", "1,5", "١")
        ),
        *((text, "decimal string") for text in (" 1", "1\n", "NaN", "Infinity")),
        ("-1", "negative"),
        ("10000000000000", "at most 9223372036854.775807"),
        *((text, "above 0") for text in ("0", "0.0", "0.000000")),
        ("9223372036854.775808", "at most 9223372036854.775807"),
    ],
)
def test_what_is_no_amount_is_refused(text: str, words: str) -> None:
    """Anything but a positive decimal with up to six places within int64 is refused with the rule."""
    with pytest.raises(ValueError, match=words):
        credits.parse(text)


def test_a_limit_may_be_nothing_and_an_adjustment_may_take() -> None:
    """A limit is 0 or above, an adjustment anything but 0; both within int64."""
    assert (credits.parse_limit("0"), credits.parse_limit("1.5")) == (0, 1_500_000)
    assert (credits.parse_signed("-1.5"), credits.parse_signed("1.5")) == (-1_500_000, 1_500_000)
    assert credits.parse_signed(f"-{credits.show(credits.MICROS_MAX)}") == -credits.MICROS_MAX
    for text in ("0", "-0", "--1", "- 1", "-"):
        with pytest.raises(ValueError, match="must"):
            credits.parse_signed(text)
