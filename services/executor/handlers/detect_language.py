"""The language of a text, by py3langid's naive Bayes model: offline, some 140 languages."""

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

ALTERNATIVES_MAX = 3
PROBABILITY_PLACES = 4
UNDETERMINED = "und"


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """The likeliest language of `text` (ISO 639) with its probability, and the next ones; `und` where nothing tells."""
    ranked = _identifier().rank(input["text"])[: 1 + ALTERNATIVES_MAX]
    (language, probability), *others = [(code, round(float(value), PROBABILITY_PLACES)) for code, value in ranked]
    if probability == others[0][1]:
        # Digits, signs and the like: the model finds every language as likely as the next.
        return {"language": UNDETERMINED, "probability": 0.0, "alternatives": []}
    return {
        "language": language,
        "probability": probability,
        "alternatives": [{"language": code, "probability": value} for code, value in others],
    }


@cache
def _identifier() -> "LanguageIdentifier":
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
