"""Mistakes in an English text."""

import json
from typing import Any

import pytest

from services.executor.handlers import check_grammar


def checked(text: str, **more: str) -> dict[str, Any]:
    output = check_grammar.run({"text": text} | more, {})
    assert json.loads(json.dumps(output)) == output
    assert all(text[each["start"] : each["end"]] == each["text"] for each in output["problems"])
    return output


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("She could of gone.", "She could have gone."),
        ("He has a apple and an car.", "He has an apple and a car."),
        ("The the dog runs.", "The dog runs."),
        ("I recieve your letter.", "I receive your letter."),
        ("Its a nice day.", "It's a nice day."),
        ("Hello  world.", "Hello world."),
    ],
)
def test_a_mistake_is_found_and_put_right(wrong: str, right: str) -> None:
    """By the first suggestion for each."""
    output = checked(wrong)
    assert output["corrected_text"] == right
    assert output["complete"]


def test_a_problem_says_what_is_wrong_and_where() -> None:
    """In code points."""
    (problem,) = checked("😀 مرحبا. She could of gone.")["problems"]
    assert (problem["text"], problem["start"], problem["end"]) == ("could of", 13, 21)
    assert problem["suggestions"] == ["could have"]
    assert problem["kind"]
    assert "have" in problem["message"]


def test_each_dialect_has_a_spelling_of_its_own() -> None:
    """American where none is named."""
    text = "The colour is nice."
    assert checked(text)["corrected_text"] == "The color is nice."
    assert checked(text, dialect="british")["problems"] == []


@pytest.mark.parametrize("text", ["The weather is nice today.", "   \n ", "مرحبا بالعالم", "a" * 5_000])
def test_a_text_without_mistakes_stays_as_it_is(text: str) -> None:
    """Also one that is no English, or a word that would take all memory."""
    assert checked(text) == {"problems": [], "complete": True, "corrected_text": text}


def test_a_long_text_is_read_in_pieces_that_end_with_a_sentence() -> None:
    """Every mistake is found, wherever a piece ends."""
    output = checked("She could of gone. " * 300)
    assert len(output["problems"]) == 300
    assert output["corrected_text"] == "She could have gone. " * 300


def test_a_sentence_longer_than_a_piece_is_cut_at_a_space() -> None:
    """No mistake is made by the cut."""
    text = "This is " + "a very " * 400 + "long sentence."
    assert all(problem["kind"] != "Spelling" for problem in checked(text)["problems"])


def test_a_text_is_checked_up_to_500_problems() -> None:
    """It says that there are more; the rest of the text stays."""
    output = checked("He has a apple. " * 600)
    assert (len(output["problems"]), output["complete"]) == (check_grammar.PROBLEMS_MAX, False)
    assert output["corrected_text"] == "He has an apple. " * 500 + "He has a apple. " * 100
