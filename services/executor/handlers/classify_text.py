"""Which of some labels fits a text best, by its vector's nearness to theirs: no training, and no more than a guess."""

from typing import Any

from services.executor.material import embeddings

# What the model was trained with: a hundredth more of cosine makes a label e times as likely.
TEMPERATURE = 0.01
# A label alone is too short for the model to place well.
SENTENCE = "This text is about {}."
PLACES = 4


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """The best of `labels` for `text`, and the score of each; scores are 1 in all."""
    import numpy

    labels = input["labels"]
    (text,) = embeddings.embed([input["text"]], "passage")
    cosines = embeddings.embed([SENTENCE.format(label) for label in labels], "query") @ text
    weights = numpy.exp((cosines - cosines.max()) / TEMPERATURE)
    ranked = sorted(zip(labels, (weights / weights.sum()).tolist(), strict=True), key=lambda pair: -pair[1])
    return {
        "label": ranked[0][0],
        "scores": [{"label": label, "score": round(score, PLACES)} for label, score in ranked],
    }
