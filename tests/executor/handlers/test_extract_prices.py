"""Prices in a text."""

import json
from typing import Any

import pytest

from services.executor.handlers import extract_prices


def extracted(text: str) -> list[dict[str, Any]]:
    output = extract_prices.run({"text": text}, {})
    assert json.loads(json.dumps(output)) == output
    prices: list[dict[str, Any]] = output["prices"]
    assert all(text[each["start"] : each["end"]] == each["text"] for each in prices)
    return prices


PRICES = [
    ("€1,299.99", "1299.99", "EUR"),
    ("1.299,99 €", "1299.99", "EUR"),
    ("1 299,99 €", "1299.99", "EUR"),
    ("1.299 €", "1299", "EUR"),
    ("EUR 12,50", "12.50", "EUR"),
    ("5 euros", "5", "EUR"),
    ("€0.999", "0.999", "EUR"),
    ("35€99", "35.99", "EUR"),
    ("EUR 3,-", "3", "EUR"),
    ("CHF 1’299.50", "1299.50", "CHF"),
    ("US$ 12.50", "12.50", "USD"),
    ("$50 CAD", "50", "CAD"),
    ("USD$20", "20", "USD"),
    ("£5", "5", "GBP"),
    ("₹1,00,000", "100000", "INR"),
    ("5000円", "5000", "JPY"),
    ("1 234,56 zł", "1234.56", "PLN"),
    ("3,5 Mio. €", "3500000", "EUR"),
    ("£1.234 million", "1234000", "GBP"),
    ("£5k", "5000", "GBP"),
    ("2,5 Milliarden Euro", "2500000000", "EUR"),
    ("-5 €", "-5", "EUR"),
    ("EUR -7", "-7", "EUR"),
]


@pytest.mark.parametrize(("written", "amount", "currency"), PRICES, ids=[row[0] for row in PRICES])
def test_a_price_is_read_however_it_is_written(written: str, amount: str, currency: str) -> None:
    """As a decimal number and the currency's code, with its place in code points."""
    (price,) = extracted(f"😀 for {written}, today")
    assert (price["text"], price["amount"], price["currency"]) == (written, amount, currency)
    assert price["start"] == 6


@pytest.mark.parametrize(
    ("written", "amount", "symbol"), [("$1,299.99", "1299.99", "$"), ("500 kr", "500", "kr"), ("٥٠ ريال", "50", "ريال")]
)
def test_a_symbol_of_several_currencies_has_no_code(written: str, amount: str, symbol: str) -> None:
    """It is told as it is written."""
    (price,) = extracted(written)
    assert (price["amount"], price["symbol"]) == (amount, symbol)
    assert "currency" not in price


@pytest.mark.parametrize("text", ["10–20 €", "€10-20", "€10-€20"])
def test_both_ends_of_a_span_are_prices(text: str) -> None:
    """Of the same currency."""
    assert [(each["amount"], each["currency"]) for each in extracted(text)] == [("10", "EUR"), ("20", "EUR")]


def test_a_number_goes_with_the_currency_beside_it() -> None:
    """Not with that of the next."""
    text = "buy 1 $5 voucher, or 5 € 10 €. Room 12, 500 €"
    assert [each["text"] for each in extracted(text)] == ["$5", "5 €", "10 €", "500 €"]


@pytest.mark.parametrize(
    "text", ["50%", "5 kg", "page 12", "version 1.2.3", "3 pounds", "$", "EUR", "EUROPE 5", "5 eurozone", " \n "]
)
def test_what_is_no_price_is_left(text: str) -> None:
    """Numbers without a currency, and words that begin like one."""
    assert extracted(text) == []


def test_the_first_2000_are_listed_and_all_counted() -> None:
    """In order."""
    output = extract_prices.run({"text": "£5; " * 2_001}, {})
    assert (output["count"], len(output["prices"])) == (2_001, extract_prices.PRICES_MAX)


@pytest.mark.parametrize("unit", ["1", "1 ", "1.", "1-", "$", "-", "1k ", "1'", "000 "])
def test_a_text_made_to_take_long_does_not(unit: str) -> None:
    """The time is in proportion to the text: a square of it would not end here."""
    assert extracted((unit * 200_000)[:200_000]) == []
