"""Where sentences begin and end."""

import pytest

from services.executor.material import sentences


def cut(text: str, ordinals: bool = False) -> list[str]:
    return [text[start:end] for start, end in sentences.spans(text, ordinals=ordinals)]


@pytest.mark.parametrize(
    "text",
    [
        "Dr. Smith saw the U.S. embassy at 3.14 p.m. yesterday.",
        "J. K. Rowling wrote it, e.g. this part, etc. and so on.",
        "“Really?” she asked.",
        "Well... perhaps.",
        "Das kostet ca. 5 Euro bzw. mehr.",
    ],
)
def test_a_mark_inside_a_sentence_does_not_end_it(text: str) -> None:
    """Abbreviations, initials, numbers, quoted questions."""
    assert cut(text) == [text]


def test_sentences_end_with_their_marks_and_quotes() -> None:
    """Whatever the case of what follows."""
    assert cut("He said no. Was it? Yes!!! “Stop.” I went home. bye") == [
        *("He said no.", "Was it?", "Yes!!!", "“Stop.”", "I went home.", "bye")
    ]


def test_a_blank_line_ends_a_sentence() -> None:
    """A heading has no mark."""
    assert cut("A heading\n \nA text\nof two lines") == ["A heading", "A text\nof two lines"]


def test_a_german_ordinal_ends_no_sentence() -> None:
    """A year does; in English a short number does as well."""
    text = "Am 3. Mai war es so. Das war 2024. Gut."
    assert cut(text, ordinals=True) == ["Am 3. Mai war es so.", "Das war 2024.", "Gut."]
    assert cut("He is 42. She is not.") == ["He is 42.", "She is not."]


def test_other_scripts_have_marks_of_their_own() -> None:
    """Chinese and Japanese without a space."""
    assert cut("吾輩は猫である。名前はまだ無い。") == ["吾輩は猫である。", "名前はまだ無い。"]
    assert cut("مرحبا! كيف حالك؟ أنا بخير.") == ["مرحبا!", "كيف حالك؟", "أنا بخير."]


@pytest.mark.parametrize("text", ["", " ", "\n\n \n"])
def test_a_text_of_space_has_none(text: str) -> None:
    """Nothing, not an empty one."""
    assert cut(text) == []
