"""What dates look like in a language: patterns made of dateparser's names of its months, weekdays and spans of time."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

LANGUAGES_MAX = 8

_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# Those of dateparser's spans that are no part of a day, and the number in them.
_LONG_SPAN = re.compile(r"day|week|month|year")
_AMOUNT = r"(\d++[.,]?\d*+)"
_NEXT = r"next|coming|nächste[nrs]?|kommende[nrs]?|prochaine?|próxim[oa]|prossim[oa]|volgende|komende"
_LAST = r"last|letzte[nrs]?|vergangene[nrs]?|dernière|dernier|pasad[oa]|passad[oa]|scors[oa]|vorige|afgelopen"
# A language with no space between words, or that joins to a date what follows it.
_JOINING = frozenset(["ja", "ko", "th", "zh"])
_JOINED = (r"(?<!\d)", r"(?!\d)")
_APART = (r"(?<![\w.,/:+-])", r"(?:(?=T\d\d:)|(?!\w|[.,/:-]\d))")

_GAP = r"[\s,./-]{0,3}(?:(?:of|the|de|del|d['’]|do|da)\s)?"
_DAY = r"\d\d?(?:\.|(?:st|nd|rd|th|er|º|ª)(?!\w))?"
# The first digit is 1 or 2, also in Arabic, Persian, Hindi and Thai.
_YEAR = r"[12١٢۱۲१२๑๒]\d{3}"
_CLOCK = r"at|um|à|a\slas|alle\sore|alle|ore|às|om|kl\.?|klockan|в|о"
TIME = re.compile(
    rf"""
    (?:T|,?\s{{1,2}}(?:(?:{_CLOCK})\s)?)
    (?P<hour>\d\d?)
    (?: :(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d{{1,9}})?)?(?:\s?(?P<half>[ap])(?:m\b|\.m\.))?(?:\sUhr\b)?
      | \s?(?P<half_2>[ap])(?:m\b|\.m\.)
      | \s?h(?:\s?(?P<minute_2>\d\d))?
      | (?:\.(?P<minute_3>\d\d))?\sUhr\b
    )
    (?!\d)
    (?:\s?(?P<offset>Z|UTC|GMT|[+-]\d\d:?\d\d)(?!\w))?
    """,
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Shapes:
    """The dates of one language; the last three need another date to go by."""

    complete: re.Pattern[str]
    yearless: re.Pattern[str]
    span: re.Pattern[str]
    """Today, three weeks ago."""
    weekday: re.Pattern[str]
    """Groups: `next` or `last`, and `name`; each also with `_2`."""
    weekdays: Mapping[str, int]
    """Their names in small letters → 0 for Monday."""


@lru_cache(maxsize=LANGUAGES_MAX)
def of(language: str) -> Shapes:
    """What dates look like in `language`, a code that dateparser has."""
    from dateparser.languages.loader import default_loader

    info = default_loader.get_locale(language).info
    names = [name for key in _MONTHS for name in info[key] if len(name) >= 3 or not name.isascii()]
    months = _any_of(names)
    # English "may 2" and "march 3" are more often no dates.
    sure_months = f"(?-i:{_any_of(map(str.capitalize, names))})" if language == "en" else months
    weekdays = {name.lower(): day for day, key in enumerate(_WEEKDAYS) for name in info[key]}
    long_weekdays = _any_of(name for name in weekdays if len(name) >= 4)
    # Numbers with dots and two digits for the year are more often versions where days do not come first.
    dotted_year = r"\d{4}" if info["date_order"] == "MDY" else r"(?:\d{4}|\d\d)"
    numeric = (
        rf"\d{{4}}-\d\d?-\d\d?|\d{{4}}/\d\d?/\d\d?|\d\d?/\d\d?/(?:\d{{4}}|\d\d)|\d\d?-\d\d?-\d{{4}}"
        rf"|\d\d?\.\s?\d\d?\.\s?{dotted_year}|\d{{4}}\s?[年년]\s?\d\d?\s?[月월]\s?\d\d?\s?[日일]"
    )
    on = rf"(?:(?:{_any_of(weekdays)})[.,]?\s(?:(?:the|den|dem|der|le|el|il|o)\s)?)?"
    complete = (
        rf"{numeric}|{on}(?:(?:{_day_and(months)}){_GAP}{_YEAR}|{_YEAR}{_GAP}(?:{months}){_GAP}{_DAY})"
        rf"|(?:{months}){_GAP}{_YEAR}"
    )
    beside = rf"(?P<next>{_NEXT})|(?P<last>{_LAST})"
    behind = rf"(?P<next_2>{_NEXT})|(?P<last_2>{_LAST})"
    left, right = _JOINED if language in _JOINING else _APART

    def pattern(shape: str) -> re.Pattern[str]:
        return re.compile(f"{left}(?:{shape}){right}", re.IGNORECASE)

    return Shapes(
        complete=pattern(complete),
        yearless=pattern(f"{on}(?:{_day_and(sure_months)})"),
        span=pattern("|".join(sorted(_spans(info), key=len, reverse=True))),
        weekday=pattern(rf"(?:{beside})\s(?P<name>{long_weekdays})|(?P<name_2>{long_weekdays})\s(?:{behind})"),
        weekdays=weekdays,
    )


def _spans(info: Mapping[str, Any]) -> Iterator[str]:
    """Patterns of "today", "next month" and "in 3 days", the numbers also as words."""
    simplified = {word: value for each in info.get("simplifications", []) for word, value in each.items()}
    words = [word.replace("(", "(?:") for word, value in simplified.items() if value.isdigit() and "\\" not in word]
    number = "|".join([r"\d{1,4}", *sorted(words, key=len, reverse=True)])
    for span, names in info["relative-type"].items():
        if _LONG_SPAN.search(span):
            yield from (re.escape(name).replace(r"\ ", r"\s") for name in names if len(name) >= 3 or not name.isascii())
    for span, shapes in info["relative-type-regex"].items():
        if _LONG_SPAN.search(span):
            yield from (shape.replace(_AMOUNT, f"(?:{number})").replace(" ", r"\s") for shape in shapes)


def _day_and(months: str) -> str:
    return rf"{_DAY}{_GAP}(?:{months})|(?:{months}){_GAP}{_DAY}(?![\d:])"


def _any_of(names: Iterable[str]) -> str:
    return "|".join(re.escape(name).replace(r"\ ", r"\s") for name in sorted(names, key=len, reverse=True))
