"""Swear words: which, where, and the text without them."""

import json
from typing import Any

import pytest

from services.executor.handlers import detect_profanity


def found(text: str, *languages: str) -> dict[str, Any]:
    output = detect_profanity.run({"text": text} | ({"languages": list(languages)} if languages else {}), {})
    assert json.loads(json.dumps(output)) == output
    assert all(text[each["start"] : each["end"]] == each["text"] for each in output["found"])
    assert len(output["masked_text"]) == len(text)
    return output


@pytest.mark.parametrize(
    ("written", "word"),
    [("shit", "shit"), ("SHIT", "shit"), ("f*ck", "fuck"), ("b.i.t.c.h", "bitch"), ("f u c k", "fuck"),
     ("fuuuuck", "fuck"), ("a$$hole", "asshole"), ("ｆｕｃｋ", "fuck"), ("f\u0443ck", "fuck")],
)  # fmt: skip
def test_a_word_is_found_however_it_is_spelled(written: str, word: str) -> None:
    """With its place in code points, and the word that is meant."""
    output = found(f"😀 Oh {written}, no")
    assert [(each["word"], each["text"], each["start"]) for each in output["found"]] == [(word, written, 5)]


def test_the_text_comes_back_masked() -> None:
    """Spaces stay."""
    assert found("What the f u c k is this shit?")["masked_text"] == "What the * * * * is this ****?"


@pytest.mark.parametrize("text", ["Scunthorpe", "a classic assessment", "Moby Dick", "cocktail", "مرحبا", " \n "])
def test_clean_text_stays_as_it_is(text: str) -> None:
    """Also where a clean word has a bad one in it."""
    assert found(text) == {"profane": False, "count": 0, "found": [], "masked_text": text}


def test_each_language_has_words_of_its_own() -> None:
    """English where none is named."""
    assert found("So eine Scheiße, merde!")["count"] == 0
    assert [each["word"] for each in found("So eine Scheiße, merde!", "german", "french")["found"]] == [
        *("scheiße", "merde")
    ]


def test_a_long_text_is_read_in_pieces_that_part_no_word() -> None:
    """Every word is found, wherever a piece ends."""
    output = found("nice shit " * 2_000)
    assert output["count"] == 2_000
    assert "shit" not in output["masked_text"]


def test_the_first_5000_are_listed_and_all_masked() -> None:
    """The count is of all."""
    output = found("shit " * (detect_profanity.FOUND_MAX + 1))
    assert (output["count"], len(output["found"])) == (detect_profanity.FOUND_MAX + 1, detect_profanity.FOUND_MAX)
    assert output["masked_text"] == "**** " * output["count"]
