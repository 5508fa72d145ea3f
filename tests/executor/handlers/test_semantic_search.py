"""Documents are ranked by what they mean."""

import pytest

from services.executor.handlers import semantic_search
from services.executor.material.errors import ToolError

DOCUMENTS = [
    "Dogs have to be kept on a lead.",
    "The lake is open for bathing.",
    "Shares fell by three percent on Friday.",
    "To reset your password, open the settings and choose Security.",
]


@pytest.mark.parametrize(
    ("query", "best"),
    [("Where may I swim?", 1), ("Passwort vergessen", 3), ("stock market", 2), ("puis-je venir avec mon chien ?", 0)],
)
def test_the_document_that_answers_comes_first(query: str, best: int) -> None:
    """In other words, and other languages."""
    results = semantic_search.run({"query": query, "documents": DOCUMENTS}, {})["results"]
    assert results[0]["index"] == best
    assert sorted(one["index"] for one in results) == [0, 1, 2, 3]


def test_scores_fall_and_have_a_high_floor() -> None:
    """So they say nothing by themselves, as the manifest tells."""
    results = semantic_search.run({"query": "Where may I swim?", "documents": DOCUMENTS}, {})["results"]
    scores = [one["score"] for one in results]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] > 0.6


def test_as_many_as_are_asked_for() -> None:
    """Or all there are."""
    for count, found in ((1, 1), (3, 3), (200, 4)):
        output = semantic_search.run({"query": "swim", "documents": DOCUMENTS, "count": count}, {})
        assert len(output["results"]) == found


def test_of_equal_documents_the_first_comes_first() -> None:
    """The order is the same every time."""
    results = semantic_search.run({"query": "swim", "documents": ["same", "same", "same"]}, {})["results"]
    assert [one["index"] for one in results] == [0, 1, 2]


def test_too_many_characters_are_refused() -> None:
    """Before any is read."""
    with pytest.raises(ToolError, match="documents: 52,000 characters in all, at most 50,000") as refused:
        semantic_search.run({"query": "x", "documents": ["x" * 2_000] * 26}, {})
    assert refused.value.reason == "TEXTS_TOO_LONG"
