"""Words that are not in the dictionary."""

import json
from typing import Any

import pytest

from services.executor.handlers import check_spelling


def checked(text: str, language: str = "en", **more: Any) -> dict[str, Any]:
    output = check_spelling.run({"text": text, "language": language} | more, {})
    assert json.loads(json.dumps(output)) == output
    assert all(text[each["start"] : each["end"]] == each["word"] for each in output["misspelled"])
    return output


def misspelled(text: str, language: str = "en", **more: Any) -> list[str]:
    return [each["word"] for each in checked(text, language, **more)["misspelled"]]


@pytest.mark.parametrize(
    ("word", "language", "right"),
    [
        ("recieve", "en", "receive"),
        ("Teh", "en", "The"),
        ("GOVERMENT", "en", "GOVERNMENT"),
        ("Nähmlich", "de", "Nämlich"),
        ("Wiederspruch", "de", "Widerspruch"),
        ("acceuil", "fr", "accueil"),
        ("l'hommme", "fr", "l'homme"),
        ("ospedalle", "it", "ospedale"),
    ],
)
def test_a_misspelled_word_has_the_right_one_among_its_suggestions(word: str, language: str, right: str) -> None:
    """The likeliest first, in the case of the word."""
    output = checked(f"😀 {word}", language)
    (found,) = output["misspelled"]
    assert (found["word"], found["start"]) == (word, 2)
    assert found["suggestions"][0] == right
    assert len(found["suggestions"]) <= check_spelling.SUGGESTIONS_MAX


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("John’s iPhone doesn't know NATO, naïve cafe\u0301.", "en"),
        ("See https://exmaple.com/pth, joe@exmple.com, #hashtg, v2beta and some_nme.", "en"),
        ("L'homme d'aujourd'hui, qu'il aime l’été.", "fr"),
        ("Ma sœur a lu une œuvre.", "fr"),
        ("Não há maçãs no mercado.", "pt"),
        ("Die Grundstücksverkehrsgenehmigung liegt im Haustürschlüsselkasten.", "de"),
        ("هذا كِتابٌ جديد", "ar"),
        ("  \n ", "en"),
    ],
)
def test_right_words_and_what_is_none_are_left_alone(text: str, language: str) -> None:
    """Contractions, compounds, accents, addresses, acronyms and words with digits."""
    assert misspelled(text, language) == []


def test_a_word_to_be_ignored_is_right() -> None:
    """In any case."""
    assert misspelled("Scrip and grpcio and foobarx", ignore=["scrip", "GRPCIO"]) == ["foobarx"]


def test_a_misspelled_word_with_an_apostrophe_is_found() -> None:
    """What is short on its other side does not make it right."""
    assert misspelled("The goverment's letter") == ["goverment's"]
    assert misspelled("l'hommme", "fr") == ["l'hommme"]


def test_words_are_counted() -> None:
    """A hyphen parts two."""
    output = checked("A battle-field is wierd, wierd.")
    assert (output["word_count"], output["misspelled_count"]) == (5, 2)


def test_what_is_listed_and_searched_is_bounded() -> None:
    """The count is of all; the words after the first 200 have no suggestions."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [f"xqz{one}{other}vw" for one in letters for other in letters]
    output = checked(" ".join(words * 2))
    assert output["misspelled_count"] == 2 * len(words)
    assert len(output["misspelled"]) == check_spelling.FOUND_MAX
    assert not any(each["suggestions"] for each in output["misspelled"][check_spelling.SEARCHES_MAX : len(words)])
