"""Summaries are made of the text's own sentences."""

from typing import Any

import pytest

from services.executor.handlers import summarize_text
from services.executor.material.errors import ToolError

ARTICLE = (
    "The city council voted on Monday to close the old harbour bridge to cars from next spring. Built in 1931, the "
    "bridge carries some 14,000 vehicles a day, twice what it was designed for. Engineers had warned in March that two "
    "of its pillars are cracked. “We cannot wait for an accident,” said Mayor Dr. Helen Ruiz. The weather on Monday "
    "was mild and sunny.\n\nA new bridge, two hundred metres upstream, is planned for 2031. Shop owners on the south "
    "bank fear that they will lose customers. 😀 The council promised a free bus line between the two banks."
)


def summary(text: str, **input: Any) -> dict[str, Any]:
    """The output; every sentence stands where it says, and they are in their order."""
    output = summarize_text.run({"text": text} | input, {})
    found = output["sentences"]
    assert all(text[one["start"] : one["end"]] == one["text"] for one in found)
    assert [one["start"] for one in found] == sorted(one["start"] for one in found)
    assert output["summary"] == " ".join(one["text"] for one in found)
    return output


@pytest.mark.parametrize("count", [1, 2, 5])
def test_as_many_sentences_as_are_asked_for(count: int) -> None:
    """In their order, with their places in the text."""
    output = summary(ARTICLE, sentences=count)
    assert (len(output["sentences"]), output["sentence_count"]) == (count, 8)


def test_three_where_nothing_is_said() -> None:
    """The first tells what it is about, and the weather is not among them."""
    output = summary(ARTICLE)
    assert output["sentences"][0]["text"].startswith("The city council voted")
    assert len(output["sentences"]) == 3
    assert "weather" not in output["summary"]


def test_a_short_text_is_its_own_summary() -> None:
    """With as many sentences as it has."""
    output = summary("One. Two!", sentences=10)
    assert (output["summary"], output["sentence_count"]) == ("One. Two!", 2)
    assert summary(" \n ") == {"summary": "", "sentences": [], "sentence_count": 0}


def test_what_is_said_again_is_taken_once() -> None:
    """However central it is."""
    again = "The bridge is closed to cars from next spring."
    text = f"{again} Bread is sold there since 1998. {again} The weather was mild. {again}"
    output = summary(text, sentences=4)
    assert output["summary"].count(again) == 1
    assert len(output["sentences"]) == 3


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Am 3. Mai begann die Bohrung, z. B. am Hafen. Dort ist das Wasser ca. 110 Grad heiß.", 2),
        ("He turned 12. Then Mr. Smith came. It was 5 p.m. and raining.", 3),
        ("M. Lefèvre attend 400 000 visiteurs, etc. Le musée « rouvre » samedi.", 2),
    ],
)
def test_dots_that_end_no_sentence_do_not_part_one(text: str, count: int) -> None:
    """Abbreviations, and ordinals where the language has them."""
    assert summary(text)["sentence_count"] == count


def test_more_sentences_than_taken_are_refused() -> None:
    """With the numbers."""
    with pytest.raises(ToolError, match="text: 501 sentences, at most 500 are taken") as refused:
        summary("Yes. " * 501)
    assert refused.value.reason == "TEXT_TOO_LONG"
