"""A summary of a text's own sentences: those nearest to what the whole is about, the early ones somewhat favoured."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from services.executor.handlers import detect_language
from services.executor.material import embeddings, sentences
from services.executor.material.errors import ToolError

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

SENTENCES_DEFAULT = 3
SENTENCES_MAX = 500
# What being first adds to a centrality from 0 to 1; the second gets a half of it, the third a third.
FIRST_BONUS = 0.3
# Sentences that are nearer to each other say the same; different ones of a text are seldom beyond 0.9.
SAME_COSINE = 0.96
# Where a number with a dot may be an ordinal and ends no sentence.
_ORDINAL_CODES = "cs da de et fi hr hu is lb lv nb nn no sk sl sr"
ORDINAL_LANGUAGES = frozenset(_ORDINAL_CODES.split())


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """At most `sentences` sentences of `text` in their order, with their places; raises TEXT_TOO_LONG."""
    text = input["text"]
    language = detect_language.run({"text": text}, {})["language"]
    spans = list(sentences.spans(text, ordinals=language in ORDINAL_LANGUAGES))
    if len(spans) > SENTENCES_MAX:
        raise ToolError("TEXT_TOO_LONG", f"text: {len(spans):,} sentences, at most {SENTENCES_MAX} are taken")
    chosen = [spans[index] for index in _chosen(text, spans, input.get("sentences", SENTENCES_DEFAULT))]
    return {
        "summary": " ".join(text[start:end] for start, end in chosen),
        "sentences": [{"text": text[start:end], "start": start, "end": end} for start, end in chosen],
        "sentence_count": len(spans),
    }


def _chosen(text: str, spans: Sequence[tuple[int, int]], count: int) -> list[int]:
    """Which sentences, in their order."""
    if len(spans) <= count:
        return list(range(len(spans)))
    vectors = embeddings.embed([text[start:end] for start, end in spans], "passage")
    scores = _centralities(vectors)
    ranked = sorted(range(len(spans)), key=lambda index: -scores[index] - FIRST_BONUS / (1 + index))
    chosen: list[int] = []
    for index in ranked:
        if len(chosen) < count and all(vectors[index] @ vectors[other] < SAME_COSINE for other in chosen):
            chosen.append(index)
    return sorted(chosen)


def _centralities(vectors: "NDArray[float32]") -> list[float]:
    """How near each is to all, from 0 for the farthest to 1."""
    nearness = vectors @ vectors.mean(axis=0)
    # Vectors of this model are all near each other, so only the differences tell.
    spread = nearness.max() - nearness.min()
    scores: list[float] = ((nearness - nearness.min()) / (spread or 1)).tolist()
    return scores
