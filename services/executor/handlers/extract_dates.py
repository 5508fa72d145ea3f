"""Dates in a text: found by the shapes they have in its language, read by dateparser, the same on every day."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from services.executor.handlers import detect_language
from services.executor.material import date_shapes
from services.executor.material.date_shapes import Shapes
from services.executor.material.errors import ToolError

if TYPE_CHECKING:
    import re

    from dateparser.date import DateDataParser

DATES_MAX = 1_000
LANGUAGES = frozenset([
    "ar", "bg", "cs", "da", "de", "el", "en", "es", "fa", "fi", "fr", "he", "hi", "hr", "hu", "id", "it", "ja", "ko",
    "nb", "nl", "pl", "pt", "ro", "ru", "sk", "sl", "sv", "th", "tr", "uk", "vi", "zh",
])  # fmt: skip
# A text whose language is less likely than this is searched for the dates of these as well.
SURE = 0.8
_USUAL = ("en", "de", "fr", "es", "it", "pt", "nl")
_NORWEGIAN = {"no": "nb", "nn": "nb"}
# What dateparser goes by where the text says all: any day does, as long as it is the same always.
_ANY_DAY = date(2000, 1, 1)


@dataclass(frozen=True, slots=True)
class Found:
    """A date in a text; offsets in code points."""

    start: int
    end: int
    value: date
    precision: str
    """day, week, month or year; the date is the first of a month or year."""
    is_relative: bool
    time: str


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """The dates of `text` in order, the first 1,000 of them; raises REFERENCE_DATE_INVALID."""
    text = input["text"]
    reference = _reference(input.get("reference_date"))
    likely, others = (input["languages"], ()) if input.get("languages") else _languages_of(text)
    languages = list(dict.fromkeys([*likely, *others]))
    taken = bytearray(len(text))
    found: list[Found] = []
    for language in languages:
        parser = _parser(language, reference or _ANY_DAY, input.get("date_order"))
        for each in _found(text, taken, parser, date_shapes.of(language), reference, language in likely):
            taken[each.start : each.end] = b"\1" * (each.end - each.start)
            found.append(each)
    found.sort(key=lambda each: each.start)
    return {
        "languages": languages,
        "count": len(found),
        "dates": [_described(text, each) for each in found[:DATES_MAX]],
    }


def _reference(written: str | None) -> date | None:
    try:
        return date.fromisoformat(written) if written else None
    except ValueError as error:
        raise ToolError("REFERENCE_DATE_INVALID", f"reference_date: there is no day {written}") from error


def _languages_of(text: str) -> tuple[list[str], Sequence[str]]:
    """Those the text is likely written in, English always, and others to look into."""
    detected = detect_language.run({"text": text}, {})
    codes = [detected["language"]]
    is_sure = detected["probability"] >= SURE
    if not is_sure:
        codes += [other["language"] for other in detected["alternatives"]]
    codes = [_NORWEGIAN.get(code, code) for code in codes]
    return [*(code for code in codes if code in LANGUAGES), _USUAL[0]], () if is_sure else _USUAL


def _described(text: str, found: Found) -> dict[str, Any]:
    described = {
        "text": text[found.start : found.end],
        "start": found.start,
        "end": found.end,
        "date": found.value.isoformat(),
        "precision": found.precision,
        "relative": found.is_relative,
    }
    return described | ({"time": found.time} if found.time else {})


def _found(
    text: str, taken: bytearray, parser: "DateDataParser", shapes: Shapes, reference: date | None, is_likely: bool
) -> Iterator[Found]:
    """What is a date in one language, beside what is taken; what needs a reference only where there is one."""
    for match in _matches(shapes, text, reference is not None, is_likely):
        if any(taken[match.start() : match.end()]):
            continue
        if reference is not None and match.re is shapes.weekday:
            yield _with_time(match, _weekday(shapes, match, reference), "day", True)
            continue
        # There is no 30 February.
        data = parser.get_date_data(match.group())
        if data.date_obj is not None:
            yield _with_time(match, data.date_obj.date(), data.period, match.re is not shapes.complete)


def _matches(shapes: Shapes, text: str, has_reference: bool, is_likely: bool) -> Iterator["re.Match[str]"]:
    yield from shapes.complete.finditer(text)
    if has_reference:
        yield from shapes.yearless.finditer(text)
    if has_reference and is_likely:
        # "Hier" is French for yesterday, and German for here.
        yield from shapes.span.finditer(text)
        yield from shapes.weekday.finditer(text)


def _weekday(shapes: Shapes, match: "re.Match[str]", reference: date) -> date:
    """Next Monday is after the reference, last Monday before it, up to a week away."""
    days = shapes.weekdays[(match["name"] or match["name_2"]).lower()] - reference.weekday()
    away = (days - 1) % 7 + 1 if match["next"] or match["next_2"] else days % 7 - 7
    return reference + timedelta(days=away)


def _with_time(match: "re.Match[str]", value: date, precision: str, is_relative: bool) -> Found:
    time = date_shapes.TIME.match(match.string, match.end()) if precision == "day" else None
    written = _clock(time) if time else ""
    end = time.end() if time and written else match.end()
    return Found(match.start(), end, value, precision, is_relative, written)


def _clock(time: "re.Match[str]") -> str:
    """A time of day as ISO 8601 has it; empty where there is none such."""
    hour = int(time["hour"])
    minute, second = int(time["minute"] or time["minute_2"] or time["minute_3"] or 0), int(time["second"] or 0)
    half = (time["half"] or time["half_2"] or "").lower()
    if minute > 59 or second > 59 or not (1 <= hour <= 12 if half else hour <= 23):
        return ""
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    offset = (time["offset"] or "").upper()
    if offset in ("UTC", "GMT"):
        offset = "Z"
    elif len(offset) == len("+0200"):
        offset = f"{offset[:3]}:{offset[3:]}"
    return f"{hour:02}:{minute:02}:{second:02}{offset}"


def _parser(language: str, reference: date, order: str | None) -> "DateDataParser":
    from dateparser.date import DateDataParser

    settings: dict[str, Any] = {
        "RELATIVE_BASE": datetime.combine(reference, datetime.min.time()),
        "PREFER_DAY_OF_MONTH": "first",
        "PREFER_MONTH_OF_YEAR": "first",
        # Without it the machine's own is asked for.
        "TIMEZONE": "UTC",
    }
    if order is not None:
        settings["DATE_ORDER"] = order
    return DateDataParser(languages=[language], settings=settings)
