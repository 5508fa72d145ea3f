"""How positive a text is."""

import json
from typing import Any

import pytest

from services.executor.handlers import sentiment


def rated(text: str) -> dict[str, Any]:
    output = sentiment.run({"text": text}, {})
    assert json.loads(json.dumps(output)) == output
    assert all(text[each["start"] : each["end"]] == each["text"] for each in output["sentences"])
    return output


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("I love this phone, it is wonderful!", "positive"),
        ("The service was terrible and slow.", "negative"),
        ("I am not happy about this :(", "negative"),
        ("The table has four legs.", "neutral"),
        ("😀😀", "positive"),
    ],
)
def test_a_text_has_the_label_of_what_it_says(text: str, label: str) -> None:
    """Negation turns a word around, emoji count."""
    output = rated(text)
    assert output["label"] == label
    assert -1 <= output["score"] <= 1


def test_every_sentence_has_a_score_and_the_text_their_mean() -> None:
    """With places in code points."""
    output = rated("😀 I love it! It was awful. It is red.")
    assert [each["label"] for each in output["sentences"]] == ["positive", "negative", "neutral"]
    mean = sum(each["score"] for each in output["sentences"]) / 3
    assert output["score"] == pytest.approx(mean, abs=0.0001)
    assert (output["sentence_count"], output["rated_sentence_count"]) == (3, 2)


@pytest.mark.parametrize(("text", "count"), [("Das ist wunderbar!", 1), ("مرحبا", 1), ("  \n ", 0)])
def test_a_text_of_which_nothing_is_known_is_neutral_and_says_so(text: str, count: int) -> None:
    """No sentence of it is rated."""
    output = rated(text)
    assert (output["label"], output["score"]) == ("neutral", 0)
    assert (output["sentence_count"], output["rated_sentence_count"]) == (count, 0)


def test_the_first_500_sentences_are_listed() -> None:
    """All are counted."""
    output = rated("Good. " * 600)
    assert (output["sentence_count"], len(output["sentences"])) == (600, sentiment.SENTENCES_MAX)


@pytest.mark.parametrize("text", ["good " * 1_000, "😀" * 1_000, "x" * 5_000])
def test_an_endless_sentence_is_cut(text: str) -> None:
    """The time would grow with its square."""
    pieces = rated(text)["sentences"]
    assert max(len(piece["text"]) for piece in pieces) <= sentiment.PIECE_CHARACTERS_MAX
    assert sum(len(piece["text"]) for piece in pieces) >= len(text.replace(" ", ""))
