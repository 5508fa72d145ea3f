"""Tariffs: exact, rounded up once, and never less for more."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.tariff import SOLE, Rate, Tariff, Tier

MICROS = st.integers(0, 10**9)
PER = st.integers(1, 10**6)
TIERS = st.lists(st.tuples(st.integers(1, 10**6), MICROS), max_size=4, unique_by=lambda tier: tier[0]).map(
    lambda tiers: tuple(Tier(*tier) for tier in sorted(tiers))
)
TARIFFS = st.builds(
    Tariff,
    base=MICROS,
    minimum=MICROS,
    rates=st.tuples(
        st.builds(Rate, unit=st.just("input_token"), micros=MICROS, per=PER, tiers=TIERS),
        st.builds(Rate, unit=st.just("output_token"), micros=MICROS, per=PER, tiers=TIERS),
    ),
)
UNITS = st.integers(0, 2 * 10**6)


@pytest.mark.parametrize(
    ("tariff", "units", "amount"),
    [
        (Tariff(base=100), {}, 100),
        (Tariff(base=100, minimum=150), {}, 150),
        (Tariff(base=100, rates=(Rate("page", 7),)), {"page": 3}, 121),
        (Tariff(minimum=50, rates=(Rate("page", 7),)), {"page": 3}, 50),
        # A part of a microcredit counts whole, once a call.
        (Tariff(rates=(Rate("token", 1, per=1000),)), {"token": 1}, 1),
        (Tariff(rates=(Rate("token", 1, per=1000),)), {"token": 1000}, 1),
        (Tariff(rates=(Rate("token", 1, per=1000),)), {"token": 1001}, 2),
        (Tariff(rates=(Rate("a", 1, per=3), Rate("b", 1, per=3))), {"a": 1, "b": 1}, 1),
        (Tariff(rates=(Rate("a", 3), Rate("b", 15))), {"a": 100, "b": 10}, 450),
        # Each tier for the units within it.
        (Tariff(rates=(Rate("second", 10, tiers=(Tier(60, 5), Tier(600, 1))),)), {"second": 60}, 600),
        (Tariff(rates=(Rate("second", 10, tiers=(Tier(60, 5), Tier(600, 1))),)), {"second": 61}, 605),
        (Tariff(rates=(Rate("second", 10, tiers=(Tier(60, 5), Tier(600, 1))),)), {"second": 1000}, 3700),
        (Tariff(rates=(Rate("token", 10, 1000, (Tier(500, 20),)),)), {"token": 1000}, 15),
        # What has no rate costs nothing.
        (Tariff(base=1, rates=(Rate("page", 7),)), {"image": 3}, 1),
    ],
)
def test_a_call_costs_base_and_units_but_never_less_than_the_minimum(
    tariff: Tariff, units: dict[str, int], amount: int
) -> None:
    """max(minimum, base + units at their rates), rounded up at the last place."""
    assert tariff.amount(units) == amount


@given(TARIFFS, UNITS, UNITS)
def test_the_amount_is_the_sum_of_what_each_single_unit_costs(tariff: Tariff, one: int, other: int) -> None:
    """A unit costs what the tier says that it falls into."""
    used = {"input_token": one % 300, "output_token": other % 300}
    single = Fraction(tariff.base)
    for rate in tariff.rates:
        for n in range(1, used[rate.unit] + 1):
            micros = next((tier.micros for tier in reversed(rate.tiers) if n > tier.above), rate.micros)
            single += Fraction(micros, rate.per)
    assert tariff.amount(used) == max(tariff.minimum, math.ceil(single))


@given(TARIFFS, UNITS, UNITS, UNITS)
def test_more_units_never_cost_less(tariff: Tariff, one: int, other: int, more: int) -> None:
    """So the amount for the most units a call can have bounds the call."""
    used = {"input_token": one, "output_token": other}
    assert tariff.amount(used) <= tariff.amount({**used, "output_token": other + more})


def test_sole_units_get_the_name_of_the_one_rate() -> None:
    """Who measures need not know what the units are called; what no rate counts is left out."""
    assert Tariff(rates=(Rate("page", 1),)).named({SOLE: 3}) == {"page": 3}
    assert Tariff(rates=(Rate("a", 1), Rate("b", 1))).named({"a": 1, "c": 2}) == {"a": 1}
    assert Tariff().named({SOLE: 3}) == {}
