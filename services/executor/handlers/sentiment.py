"""How positive or negative an English text is, by VADER's lexicon and rules, sentence by sentence."""

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from services.executor.material import sentences

if TYPE_CHECKING:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

SENTENCES_MAX = 500
# VADER's own bounds of what is neutral.
NEUTRAL = 0.05
SCORE_PLACES = 4
# VADER's time grows with the square of a sentence, and it reads an emoji as several words.
PIECE_CHARACTERS_MAX = 300
PIECE_WITHOUT_SPACE_MAX = 50


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """The label and score of `text`, which is the mean of its sentences', and the first of these, at most 500."""
    text = input["text"]
    analyzer = _analyzer()
    total, count, rated = 0.0, 0, 0
    listed: list[dict[str, Any]] = []
    for start, end in _pieces(text):
        found = analyzer.polarity_scores(text[start:end])
        score = float(found["compound"])
        total += score
        count += 1
        rated += found["pos"] > 0 or found["neg"] > 0
        if len(listed) < SENTENCES_MAX:
            listed.append({"text": text[start:end], "start": start, "end": end, **_rating(score)})
    mean = total / count if count else 0.0
    return {**_rating(mean), "sentence_count": count, "rated_sentence_count": rated, "sentences": listed}


def _rating(score: float) -> dict[str, Any]:
    label = "positive" if score >= NEUTRAL else "negative" if score <= -NEUTRAL else "neutral"
    return {"label": label, "score": round(score, SCORE_PLACES)}


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """The sentences, those that are too long cut at a space."""
    for start, end in sentences.spans(text):
        left = start
        while end - left > PIECE_CHARACTERS_MAX:
            space = text.rfind(" ", left + 1, left + PIECE_CHARACTERS_MAX)
            cut = space if space > 0 else left + PIECE_WITHOUT_SPACE_MAX
            yield from sentences.trimmed(text, left, cut)
            left = cut
        yield from sentences.trimmed(text, left, end)


@cache
def _analyzer() -> "SentimentIntensityAnalyzer":
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()
