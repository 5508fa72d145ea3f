"""Prices: exact, and never less for more."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog import pricing
from services.catalog.pricing import Charging, Price

MICROS = st.integers(0, 10**12)
PRICES = st.builds(
    Price,
    base_micros=MICROS,
    per_unit_micros=st.integers(0, 10**9),
    unit=st.just("token"),
    minimum_micros=MICROS,
    charging=st.just(Charging()),
)
UNITS = st.integers(0, 10**9)


@given(st.integers(0, pricing.MICROS_MAX))
def test_credits_written_out_are_read_back(micros: int) -> None:
    """Every amount has a decimal text, and that text means exactly it."""
    whole, part = divmod(micros, pricing.MICROS_PER_CREDIT)
    assert pricing.parse_credits(f"{whole}.{part:06}") == micros
    assert Decimal(f"{whole}.{part:06}") * pricing.MICROS_PER_CREDIT == micros


@pytest.mark.parametrize(
    "text",
    ["", "-1", "+1", "1.", ".5", "0.0000001", "1e3", "1,5", " 1", "1 ", "01", "NaN", "٣", "9223372036854.775808"],
)
def test_what_is_not_credits_is_refused(text: str) -> None:
    """Signs, exponents, blanks, other digits, a seventh place and more than an account holds are all mistakes."""
    with pytest.raises(ValueError, match="credits"):
        pricing.parse_credits(text)


@given(PRICES, UNITS)
def test_a_call_costs_base_and_units_but_never_less_than_the_minimum(price: Price, units: int) -> None:
    """amount = max(minimum, base + per_unit × units), to the last microcredit."""
    amount = pricing.amount(price, units)
    assert amount == max(price.minimum_micros, price.base_micros + price.per_unit_micros * units)
    assert isinstance(amount, int)


@given(PRICES, UNITS, UNITS)
def test_more_units_never_cost_less(price: Price, one: int, other: int) -> None:
    """So the amount for the most units a call can have bounds the call."""
    less, more = sorted((one, other))
    assert pricing.amount(price, less) <= pricing.amount(price, more)


@pytest.mark.parametrize(("size_bytes", "megabytes"), [(0, 0), (1, 1), (1_000_000, 1), (1_000_001, 2), (3_145_728, 4)])
def test_a_megabyte_begun_counts_whole(size_bytes: int, megabytes: int) -> None:
    """Megabytes have 1,000,000 bytes and are counted up."""
    assert pricing.started_megabytes(size_bytes) == megabytes
