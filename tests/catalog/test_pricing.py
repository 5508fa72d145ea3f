"""Prices: exact, and never less for more."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog import pricing
from services.catalog.pricing import Charging, Price, Variant
from services.runtime.tariff import Tariff


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


@pytest.mark.parametrize(
    ("value", "amount"),
    [({"model": "large"}, 50), ({"model": "large", "quality": "best"}, 50), ({"quality": "best"}, 90), ({}, 10)],
)
def test_the_first_variant_that_fits_the_input_takes_the_tariffs_place(value: dict[str, str], amount: int) -> None:
    """Where none fits, and where an expression cannot be applied to the input, the price is as ever."""
    price = Price(
        Tariff(base=10),
        Charging(),
        (
            Variant("input.model == 'large'", Tariff(base=50)),
            Variant("length(input.quality) == `4`", Tariff(base=90)),
        ),
    )
    assert price.of(value).tariff.amount({}) == amount
    assert price.of(value).variants == ()


@pytest.mark.parametrize(("size_bytes", "megabytes"), [(0, 0), (1, 1), (1_000_000, 1), (1_000_001, 2), (3_145_728, 4)])
def test_a_megabyte_begun_counts_whole(size_bytes: int, megabytes: int) -> None:
    """Megabytes have 1,000,000 bytes and are counted up."""
    assert pricing.started_megabytes(size_bytes) == megabytes
