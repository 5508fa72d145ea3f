"""Labels that fit."""

import pytest

from services.executor.handlers import classify_text

TOPICS = ["sport", "politics", "food", "music", "finance"]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("The striker scored twice in the second half.", "sport"),
        ("Le président a dissous l'Assemblée nationale.", "politics"),
        ("Das Brot wird mit Sauerteig gebacken.", "food"),
        ("The band released its third album last week.", "music"),
        ("Die Zentralbank erhöht den Leitzins.", "finance"),
    ],
)
def test_a_text_gets_the_label_of_its_topic(text: str, label: str) -> None:
    """Without having seen any, in several languages."""
    assert classify_text.run({"text": text, "labels": TOPICS}, {})["label"] == label


def test_scores_are_one_in_all_the_best_first() -> None:
    """Every label has one."""
    output = classify_text.run({"text": "Add the garlic and fry until golden.", "labels": TOPICS}, {})
    scores = [one["score"] for one in output["scores"]]
    assert scores == sorted(scores, reverse=True)
    assert abs(sum(scores) - 1) < 0.001
    assert {one["label"] for one in output["scores"]} == set(TOPICS)
    assert output["label"] == output["scores"][0]["label"] == "food"


def test_the_order_of_the_labels_does_not_matter() -> None:
    """Each is looked at by itself."""
    text = "She won the marathon."
    one = classify_text.run({"text": text, "labels": TOPICS}, {})
    assert one == classify_text.run({"text": text, "labels": TOPICS[::-1]}, {})


def test_braces_in_a_label_are_only_braces() -> None:
    """A label is never a template."""
    output = classify_text.run({"text": "x", "labels": ["{}", "{0.__class__}", "{"]}, {})
    assert {one["label"] for one in output["scores"]} == {"{}", "{0.__class__}", "{"}
