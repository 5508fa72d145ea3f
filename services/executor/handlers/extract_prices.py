"""Prices in a text: numbers beside a currency, found by one pattern and read by price-parser."""

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

PRICES_MAX = 2_000

_CODES = (
    "AED|ARS|AUD|BDT|BGN|BHD|BRL|CAD|CHF|CLP|CNY|COP|CZK|DKK|DZD|EGP|EUR|GBP|GEL|GHS|HKD|HUF|IDR|ILS|INR|IQD|IRR|ISK|JOD|"
    "JPY|KES|KRW|KWD|KZT|LKR|MAD|MXN|MYR|NGN|NOK|NPR|NZD|OMR|PEN|PHP|PKR|PLN|QAR|RON|RSD|RUB|SAR|SEK|SGD|THB|TND|TRY|TWD|"
    "UAH|UGX|USD|UYU|UZS|VND|XAF|XOF|ZAR"
)
# A sign may touch letters, a name may not. What stands for several currencies has no code.
_SIGNS = {
    "$": "", "€": "EUR", "£": "GBP", "¥": "", "₹": "INR", "₽": "RUB", "₴": "UAH", "₺": "TRY", "₩": "KRW", "₪": "ILS",
    "₫": "VND", "฿": "THB", "₱": "PHP", "₦": "NGN", "₡": "CRC", "₸": "KZT", "₾": "GEL", "円": "JPY", "元": "CNY",
    "원": "KRW",
}  # fmt: skip
_NAMES = {
    "us$": "USD", "au$": "AUD", "a$": "AUD", "ca$": "CAD", "c$": "CAD", "hk$": "HKD", "mx$": "MXN", "nt$": "TWD",
    "nz$": "NZD", "r$": "BRL", "s$": "SGD", "cn¥": "CNY", "jp¥": "JPY", "rs.": "", "rs": "", "kr": "", "fr.": "",
    "euro": "EUR", "euros": "EUR", "eur": "EUR", "us dollars": "USD", "dollar": "", "dollars": "", "yen": "JPY",
    "pounds sterling": "GBP", "yuan": "CNY", "rupees": "", "franc": "", "francs": "", "franken": "CHF", "lei": "RON",
    "zł": "PLN", "złotych": "PLN", "kč": "CZK", "лв": "BGN", "руб": "RUB", "рублей": "RUB", "грн": "UAH", "ريال": "",
    "درهم": "", "دينار": "", "جنيه": "", "ر.س": "SAR", "د.إ": "AED",
}  # fmt: skip
_ZEROS = {
    "k": 3, "tsd": 3, "thousand": 3, "tausend": 3, "mille": 3, "m": 6, "mn": 6, "mio": 6, "million": 6, "millionen": 6,
    "millions": 6, "millones": 6, "milioni": 6, "miljoen": 6, "bn": 9, "mrd": 9, "billion": 9, "milliarde": 9,
    "milliarden": 9, "milliard": 9, "milliards": 9, "miliardi": 9, "miljard": 9, "trillion": 12, "billionen": 12,
}  # fmt: skip


def _any_of(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


_SPACE = "[ \u00a0\u202f]"
_LETTER = r"[^\W\d_]"
_CURRENCY = rf"(?:(?<!{_LETTER})(?:{_CODES}|(?i:{_any_of(_NAMES)}))(?!{_LETTER})|{_any_of(_SIGNS)})"
_NUMBER = rf"\d{{1,15}}(?:[.,'’]\d{{1,4}}|{_SPACE}\d{{3}}(?!\d)){{0,6}}"
_PRICE = re.compile(
    rf"""
    (?P<minus>(?<![\w.,)])[-−])?
    (?:(?P<before>{_CURRENCY}) \$? {_SPACE}? (?P<inner_minus>[-−])? )?
    (?<![\d.,]) (?P<low>{_NUMBER}) (?:(?P<cents>€\d\d(?!\d)) | [-–—](?P<high>{_NUMBER}))? (?:[.,][-–—]{{1,2}})?
    (?:{_SPACE}?(?P<zeros>(?i:{_any_of(_ZEROS)}))(?!{_LETTER})(?i:(?<=mio|mrd|tsd)\.)?)?
    (?:{_SPACE}?(?P<after>{_CURRENCY})(?!\d))?
    """,
    re.VERBOSE,
)
_SEPARATOR = re.compile(r"[.,]")


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """The prices of `text` in order, the first 2,000 of them; both ends of a span of prices are one each."""
    count = 0
    prices: list[dict[str, Any]] = []
    for price in _prices(input["text"]):
        count += 1
        if len(prices) < PRICES_MAX:
            prices.append(price)
    return {"count": count, "prices": prices}


def _prices(text: str) -> Iterator[dict[str, Any]]:
    for found in _PRICE.finditer(text):
        sign = found["before"] or found["after"] or (found["cents"] and "€")
        if not sign:
            continue
        for name in ("low", "high"):
            if found[name]:
                yield _price(found, name, sign)


def _price(found: re.Match[str], name: str, sign: str) -> dict[str, Any]:
    # Of "10–20 €" the one is "10", the other "20 €".
    start = found.start() if name == "low" else found.start(name)
    end = found.end(name) if name == "low" and found["high"] else found.end()
    amount = _amount(found[name] + (found["cents"] or ""), _ZEROS.get((found["zeros"] or "").lower(), 0))
    is_minus = name == "low" and (found["minus"] or found["inner_minus"])
    price = {
        "text": found.string[start:end],
        "start": start,
        "end": end,
        "amount": f"{-amount if is_minus else amount:f}",
        "symbol": sign,
    }
    # The second is for "$50 CAD".
    if code := _code(sign) or _code(found["after"] or ""):
        price["currency"] = code
    return price


def _amount(number: str, zeros: int) -> Decimal:
    from price_parser import Price

    separators = _SEPARATOR.findall(number)
    # Three places are thousands, but not in "0.999" and "1.234 million".
    decimal = separators[0] if len(separators) == 1 and (zeros or number.startswith("0")) else None
    parsed = Price.fromstring(number.replace("’", "'"), decimal_separator=decimal)
    amount = Decimal(parsed.amount or 0)
    if not zeros:
        return amount
    whole = amount.scaleb(zeros)
    return whole.quantize(Decimal(1)) if whole == whole.to_integral_value() else whole


def _code(sign: str) -> str:
    """The currency's code, empty where the sign stands for several."""
    return sign if re.fullmatch(_CODES, sign) else _SIGNS.get(sign) or _NAMES.get(sign.lower(), "")
