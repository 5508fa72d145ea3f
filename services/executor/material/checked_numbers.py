"""Numbers that prove themselves by check digits: payment cards (Luhn) and IBANs (ISO 13616, mod 97)."""

import re
from collections.abc import Iterator
from itertools import accumulate

# Digits in groups, parted by one space or hyphen.
_DIGITS = re.compile(r"(?<![\w.])[0-9]++(?!\w)(?:[ -][0-9]++(?!\w))*+", re.ASCII)
_GROUP = re.compile(r"[0-9]+")
CARD_DIGITS_MAX = 19
_CARD = re.compile(
    r"""
      4 [0-9]{12} (?:[0-9]{3}){0,2}                                                             # Visa
    | (?:5[1-5][0-9]{2} | 222[1-9] | 22[3-9][0-9] | 2[3-6][0-9]{2} | 27[01][0-9] | 2720) [0-9]{12}  # Mastercard
    | 3[47] [0-9]{13}                                                                           # American Express
    | (?:6011 | 65[0-9]{2} | 64[4-9][0-9]) [0-9]{12}                                            # Discover
    | 3 (?:0[0-5] | [689][0-9]) [0-9]{11}                                                       # Diners Club
    | 35 (?:2[89] | [3-8][0-9]) [0-9]{12}                                                       # JCB
    | 62 [0-9]{14,17}                                                                           # UnionPay
    """,
    re.VERBOSE,
)
_IBAN_START = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?=[ ]?[A-Z0-9]{4})", re.ASCII | re.IGNORECASE)
# Country and length, of the registry that SWIFT keeps.
_IBAN_REGISTRY = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 "
    "ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 "
    "LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 "
    "PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 "
    "YE30"
)
_IBAN_LENGTHS = {entry[:2]: int(entry[2:]) for entry in _IBAN_REGISTRY.split()}


def cards(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of every card number, plain or in groups, with or without other groups around it."""
    for run in _DIGITS.finditer(text):
        groups = [group.span() for group in _GROUP.finditer(text, *run.span())]
        first = 0
        while first < len(groups):
            last = _card_end(text, groups, first)
            if last is None:
                first += 1
            else:
                yield groups[first][0], groups[last][1]
                first = last + 1


def _card_end(text: str, groups: list[tuple[int, int]], first: int) -> int | None:
    """The last of the groups that make a card number together, from the first on."""
    digits = ""
    for index in range(first, len(groups)):
        start, end = groups[index]
        if len(digits) + end - start > CARD_DIGITS_MAX:
            return None
        digits += text[start:end]
        if _CARD.fullmatch(digits) and _luhn(digits):
            return index
    return None


def _luhn(digits: str) -> bool:
    doubled = (int(digit) * (1 + index % 2) for index, digit in enumerate(reversed(digits)))
    return sum(digit - 9 * (digit > 9) for digit in doubled) % 10 == 0


def ibans(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of every IBAN, plain or in groups; its country says how long it is."""
    for found in _IBAN_START.finditer(text):
        length = _IBAN_LENGTHS.get(found.group()[:2].upper())
        if length is None:
            continue
        end = _after(text, found.start(), length)
        if end is not None and _mod_97(text[found.start() : end].replace(" ", "").upper()):
            yield found.start(), end


def _after(text: str, start: int, length: int) -> int | None:
    """Where so many letters and digits end, with single spaces between them; None where they do not or go on."""
    window = text[start : start + 2 * length]
    counted = accumulate(character != " " for character in window)
    end = next((index + 1 for index, count in enumerate(counted) if count == length), None)
    if end is None or "  " in window[:end] or not window[:end].replace(" ", "").isalnum():
        return None
    return None if text[start + end : start + end + 1].isalnum() else start + end


def _mod_97(iban: str) -> bool:
    return iban.isascii() and int("".join(str(int(character, 36)) for character in iban[4:] + iban[:4])) % 97 == 1
