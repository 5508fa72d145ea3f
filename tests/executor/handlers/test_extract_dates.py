"""Dates in a text: those that stand alone, and those that need another to go by."""

import json
from typing import Any

import pytest

from services.executor.handlers import extract_dates
from services.executor.material.errors import ToolError

# A Thursday.
REFERENCE = "2024-02-15"


def run(text: str, *languages: str, **more: str) -> dict[str, Any]:
    output = extract_dates.run({"text": text} | ({"languages": list(languages)} if languages else {}) | more, {})
    assert json.loads(json.dumps(output)) == output
    assert all(text[each["start"] : each["end"]] == each["text"] for each in output["dates"])
    return output


def extracted(text: str, *languages: str, **more: str) -> list[tuple[str, str]]:
    """Text and date, with the time where there is one."""
    dates = run(text, *languages, **more)["dates"]
    return [(each["text"], " ".join([each["date"], each.get("time", "")]).strip()) for each in dates]


ABSOLUTE = [
    ("en", "March 3rd, 2024 at 14:30", "2024-03-03 14:30:00"),
    ("en", "Tuesday, 5 March 2024 3:15 p.m.", "2024-03-05 15:15:00"),
    ("en", "5 March 2024 12 am", "2024-03-05 00:00:00"),
    ("en", "5-Mar-2024", "2024-03-05"),
    ("en", "2021-05-06T10:00:00+02:00", "2021-05-06 10:00:00+02:00"),
    ("en", "2021-05-06T23:59:59.123Z", "2021-05-06 23:59:59Z"),
    ("en", "05/06/2023", "2023-05-06"),
    ("de", "05.06.2023", "2023-06-05"),
    ("de", "5.6.23", "2023-06-05"),
    ("de", "1. Dezember 2024, 14.30 Uhr", "2024-12-01 14:30:00"),
    ("de", "1. Jänner 2024 um 9 Uhr", "2024-01-01 09:00:00"),
    ("fr", "1er janvier 2024", "2024-01-01"),
    ("fr", "mardi 5 mars 2024 à 14h30", "2024-03-05 14:30:00"),
    ("es", "5 de marzo de 2024 a las 10:30", "2024-03-05 10:30:00"),
    ("it", "5 marzo 2024", "2024-03-05"),
    ("ru", "5 марта 2024", "2024-03-05"),
    ("ar", "٥ مارس ٢٠٢٤", "2024-03-05"),
    ("ja", "2024年3月5日", "2024-03-05"),
    ("ko", "2024년 3월 5일", "2024-03-05"),
]


@pytest.mark.parametrize(("language", "written", "date"), ABSOLUTE, ids=[row[1] for row in ABSOLUTE])
def test_a_date_with_a_year_is_found_without_a_reference(language: str, written: str, date: str) -> None:
    """In the order of its language, with its time, and its place in code points."""
    assert extracted(f"😀 x ({written}) x", language) == [(written, date)]
    assert run(f"😀 {written}", language)["dates"][0]["start"] == 2


def test_a_month_and_a_year_are_a_date_of_less_precision() -> None:
    """Its first day stands for it."""
    (found,) = run("It was cold in March 2020.", "en")["dates"]
    assert (found["text"], found["date"], found["precision"]) == ("March 2020", "2020-03-01", "month")


RELATIVE = [
    ("en", "tomorrow at 5 pm", "2024-02-16 17:00:00"),
    ("en", "in three days", "2024-02-18"),
    ("en", "two weeks ago", "2024-02-01"),
    ("en", "next month", "2024-03-01"),
    ("en", "next Monday", "2024-02-19"),
    ("en", "last Thursday", "2024-02-08"),
    ("en", "12 May", "2024-05-12"),
    ("de", "übermorgen", "2024-02-17"),
    ("de", "in drei Tagen", "2024-02-18"),
    ("de", "nächsten Donnerstag um 9 Uhr", "2024-02-22 09:00:00"),
    ("de", "12. Mai", "2024-05-12"),
    ("fr", "il y a 3 jours", "2024-02-12"),
    ("fr", "lundi prochain à 9h", "2024-02-19 09:00:00"),
    ("es", "mañana", "2024-02-16"),
    ("ar", "أمس", "2024-02-14"),
    ("ja", "明日", "2024-02-16"),
]


@pytest.mark.parametrize(("language", "written", "date"), RELATIVE, ids=[row[1] for row in RELATIVE])
def test_a_date_that_needs_another_is_found_with_a_reference_only(language: str, written: str, date: str) -> None:
    """It is worked out from it, and so the same on every day."""
    assert extracted(f"x {written} x", language, reference_date=REFERENCE) == [(written, date)]
    assert run(f"x {written} x", language, reference_date=REFERENCE)["dates"][0]["relative"]
    assert extracted(f"x {written} x", language) == []


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("30 February 2024", "en"),
        ("Pay $1,200 in 2024; version 3.10.2, host 10.0.0.1, call 555-12-2024.", "en"),
        ("We met. You may 2 times march. It is 3 pm, on Monday.", "en"),
        ("So ist es, die Sonne. Am Montag.", "de"),
        ("  \n ", "en"),
    ],
)
def test_what_is_no_date_is_left(text: str, language: str) -> None:
    """Days that are none, years, times and weekdays alone, words that are short names of days."""
    assert extracted(text, language, reference_date=REFERENCE) == []


def test_the_order_of_numbers_can_be_told() -> None:
    """English means the United States where it is not."""
    assert extracted("05/06/2023", "en", date_order="DMY") == [("05/06/2023", "2023-06-05")]


def test_a_text_tells_its_language() -> None:
    """English dates are found in any."""
    text = "Die Besprechung ist am 5. Mai 2024, die Konferenz danach beginnt am May 7, 2024."
    assert run(text)["languages"] == ["de", "en"]
    assert extracted(text) == [("5. Mai 2024", "2024-05-05"), ("May 7, 2024", "2024-05-07")]


def test_a_text_too_short_to_tell_is_searched_in_the_usual_languages() -> None:
    """Not for words that mean something else in another: "hier" is French for yesterday."""
    assert extracted("5 mars 2024") == [("5 mars 2024", "2024-03-05")]
    assert extracted("Wir sind hier.", reference_date=REFERENCE) == []


def test_the_first_1000_are_listed_and_all_counted() -> None:
    """In order, none twice where more than one language has it."""
    output = run("1/2/2024; " * 1_001, "en", "de", "fr")
    assert (output["count"], len(output["dates"])) == (1_001, extract_dates.DATES_MAX)


def test_a_reference_that_is_no_day_is_the_callers() -> None:
    """It is named."""
    with pytest.raises(ToolError) as refused:
        run("x", reference_date="2024-02-30")
    assert refused.value.reason == "REFERENCE_DATE_INVALID"
    assert "reference_date: there is no day 2024-02-30" in refused.value.message


@pytest.mark.parametrize("language", sorted(extract_dates.LANGUAGES))
def test_every_language_knows_its_months(language: str) -> None:
    """All that the tool offers."""
    from dateparser.languages.loader import default_loader

    month = max(default_loader.get_locale(language).info["march"], key=len)
    assert run(f"5 {month} 2024", language)["dates"][0]["date"] == "2024-03-05"
