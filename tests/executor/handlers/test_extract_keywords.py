"""Keywords of texts, and texts that have none."""

from typing import Any

import pytest
import yaml

from services.executor.handlers import extract_keywords
from services.executor.material.errors import ToolError
from tests.executor.handlers.extras import TOOLS

ARTICLE = (
    "The European Central Bank raised its key interest rate again on Thursday. With the higher interest rate, the "
    "European Central Bank wants to slow inflation in the euro area. Economists expect inflation in the euro area to "
    "fall by the end of the year. Critics warn of a recession."
)
ARTIKEL = (
    "Die Europäische Zentralbank hat am Donnerstag den Leitzins erneut erhöht. Mit dem höheren Leitzins will die "
    "Europäische Zentralbank die Inflation im Euroraum bremsen. Kritiker warnen vor einer Rezession in Deutschland."
)


def keywords(text: str, **input: Any) -> list[str]:
    """The texts of those found; scores grow, for less is better."""
    output = extract_keywords.run({"text": text} | input, {})
    scores = [one["score"] for one in output["keywords"]]
    assert scores == sorted(scores)
    return [one["text"] for one in output["keywords"]]


def test_what_a_text_is_about_is_among_the_first() -> None:
    """In the case in which it is written."""
    assert {"European Central Bank", "interest rate"} <= set(keywords(ARTICLE, count=15))
    assert "Europäische Zentralbank" in keywords(ARTIKEL, count=3)


def test_the_language_is_found_out() -> None:
    """Or it is the one that is said."""
    assert extract_keywords.run({"text": ARTICLE}, {})["language"] == "en"
    assert extract_keywords.run({"text": ARTIKEL}, {})["language"] == "de"
    assert extract_keywords.run({"text": ARTIKEL, "language": "nl"}, {})["language"] == "nl"


@pytest.mark.parametrize("count", [1, 4, 50])
def test_as_many_as_are_asked_for_or_there_are(count: int) -> None:
    """Each once."""
    found = keywords(ARTICLE, count=count)
    assert len(found) == len(set(found)) == min(count, len(found))
    assert len(found) == count or count == 50


@pytest.mark.parametrize("words", [1, 2, 3, 4])
def test_phrases_are_no_longer_than_asked_for(words: int) -> None:
    """In words."""
    assert max(len(one.split()) for one in keywords(ARTICLE, words=words, count=50)) == words


def test_small_words_are_none() -> None:
    """A text of nothing else has no keywords."""
    assert keywords("the and of it", language="en") == []
    assert keywords(" ", language="en") == []


def test_every_language_of_the_manifest_is_one_that_can_be_done() -> None:
    """And none is left out."""
    manifest = yaml.safe_load((TOOLS / "extract-keywords.yaml").read_text())
    assert manifest["input_schema"]["properties"]["language"]["enum"] == list(extract_keywords.LANGUAGES)
    for language in extract_keywords.LANGUAGES:
        assert keywords(ARTICLE, language=language, count=1)


def test_a_language_that_cannot_be_done_is_told() -> None:
    """With those that can."""
    with pytest.raises(ToolError, match="language: the text seems to be ja; say which of ar, bg, cs") as refused:
        keywords("吾輩は猫である。名前はまだ無い。")
    assert refused.value.reason == "LANGUAGE_UNKNOWN"


def test_a_word_without_end_is_passed_over() -> None:
    """It is no keyword, however long the text."""
    assert keywords("x" * 90_000 + " " + ARTICLE, language="en", count=5) == keywords(ARTICLE, language="en", count=5)


def test_signs_that_cannot_be_split_into_words_are_the_callers() -> None:
    """The library gives up on them."""
    with pytest.raises(ToolError) as refused:
        keywords(("'" * 199 + " ") * 100, language="en")
    assert refused.value.reason == "TEXT_UNREADABLE"
