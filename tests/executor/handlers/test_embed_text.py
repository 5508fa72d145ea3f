"""Vectors of texts, and texts that would do harm to what makes them."""

import math
from typing import Any

import pytest

from services.executor.handlers import embed_text
from services.executor.material import embeddings
from services.executor.material.errors import ToolError


def vectors(*texts: str, **input: Any) -> list[list[float]]:
    output = embed_text.run({"texts": list(texts)} | input, {})
    assert output["dimensions"] == 384
    assert all(len(vector) == 384 for vector in output["embeddings"])
    found: list[list[float]] = output["embeddings"]
    return found


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_a_text_is_nearer_to_its_translation_than_to_another() -> None:
    """Though no word is the same."""
    english, german, other = vectors("A boat on the lake.", "Ein Boot auf dem See.", "Shares fell by three percent.")
    assert cosine(english, german) > cosine(english, other) + 0.05


def test_vectors_have_length_one() -> None:
    """So that products are cosines."""
    for vector in vectors("x", "Where words fail, music speaks.", "吾輩は猫である。", " ", "😀"):
        assert math.isclose(math.hypot(*vector), 1, abs_tol=1e-4)


def test_a_vector_does_not_depend_on_what_is_beside_it() -> None:
    """The same text has the same vector in every call."""
    assert vectors("one", "two", "three")[1] == vectors("two")[0]


def test_asking_is_another_thing_than_being_found() -> None:
    """A passage is what is not said to be a query."""
    assert vectors("a boat") == vectors("a boat", kind="passage") != vectors("a boat", kind="query")


@pytest.mark.parametrize("text", ["\ufdfa" * 2_000, "ﬃ" * 2_000, "㌀" * 2_000], ids=["ligature", "ffi", "square"])
def test_ligatures_that_grow_when_they_are_written_out_do_no_harm(text: str) -> None:
    """One becomes up to eighteen letters; the first 2,000 count."""
    assert len(vectors(text)) == 1


def test_what_stands_after_a_nul_is_read_too() -> None:
    """It is as good as a space."""
    assert vectors("good\0morning") == vectors("good morning") != vectors("good")


def test_as_many_characters_as_a_call_takes_and_no_more() -> None:
    """Of all texts together, whatever each may have."""
    embeddings.check_total(["x" * 2_000] * 25, "texts")
    with pytest.raises(ToolError, match="texts: 50,001 characters in all, at most 50,000 are taken") as refused:
        embed_text.run({"texts": ["x" * 2_000] * 25 + ["x"]}, {})
    assert refused.value.reason == "TEXTS_TOO_LONG"


def test_of_a_longer_text_the_first_two_thousand_characters_count() -> None:
    """For those who cut texts themselves."""
    text = "word " * 400
    assert (embeddings.embed([text + "x" * 10_000], "passage") == embeddings.embed([text], "passage")).all()
