"""How easy a text is to read: Flesch's reading ease in the form made for its language, and grade levels."""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.executor.material import sentences, syllables
from services.executor.material.errors import ToolError

PLACES = 1
MEAN_PLACES = 2
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")

# Reading ease is a - b × words a sentence - c × syllables a word.
_EASE = {
    "en": (206.835, 1.015, 84.6),  # Flesch 1948
    "de": (180.0, 1.0, 58.5),  # Amstad 1978
    "es": (206.84, 1.02, 60.0),  # Fernández Huerta 1959
    "fr": (207.0, 1.015, 73.6),  # Kandel and Moles 1958
    "it": (217.0, 1.3, 60.0),  # Vacca 1972
    "nl": (206.835, 0.93, 77.0),  # Douma 1960
}
_LEVELS = (
    (90, "very_easy"),
    (80, "easy"),
    (70, "fairly_easy"),
    (60, "standard"),
    (50, "fairly_difficult"),
    (30, "difficult"),
    (-math.inf, "very_difficult"),
)


@dataclass(frozen=True, slots=True)
class Counts:
    """What the formulas are made of; each at least 1 but the last three."""

    sentences: int
    words: int
    syllables: int
    letters: int
    polysyllables: int
    """Words of three syllables and more."""
    monosyllables: int
    long_words: int
    """Words of seven letters and more."""


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """Reading ease, level, grades and counts of `text`; raises TEXT_WITHOUT_WORDS."""
    language = input.get("language", "en")
    counts = _counted(unicodedata.normalize("NFC", input["text"]), language)
    words_a_sentence = counts.words / counts.sentences
    syllables_a_word = counts.syllables / counts.words
    base, by_sentence, by_word = _EASE[language]
    ease = base - by_sentence * words_a_sentence - by_word * syllables_a_word
    return {
        "language": language,
        "reading_ease": round(ease, PLACES),
        "level": next(level for least, level in _LEVELS if ease >= least),
        "grades": {name: round(grade, PLACES) for name, grade in _grades(counts, language).items()},
        "sentences": counts.sentences,
        "words": counts.words,
        "syllables": counts.syllables,
        "letters": counts.letters,
        "words_per_sentence": round(words_a_sentence, MEAN_PLACES),
        "syllables_per_word": round(syllables_a_word, MEAN_PLACES),
    }


def _counted(text: str, language: str) -> Counts:
    spans = sentences.spans(text, ordinals=language == "de")
    # A line of signs and numbers alone is none.
    count = sum(_WORD.search(text, start, end) is not None for start, end in spans)
    if count == 0:
        raise ToolError("TEXT_WITHOUT_WORDS", "text: it has no words; at least 1 is needed")
    words = Counter(word.lower().replace("’", "'") for word in _WORD.findall(text))
    syllables_of = syllables.counter(language)
    parts = {word: [syllables_of(part) for part in word.split("-")] for word in words}
    length = {word: sum(map(str.isalpha, word)) for word in words}

    def total(of: Mapping[str, int | bool]) -> int:
        return sum(of[word] * times for word, times in words.items())

    return Counts(
        sentences=count,
        words=words.total(),
        syllables=total({word: sum(each) for word, each in parts.items()}),
        letters=total(length),
        polysyllables=total({word: sum(each) >= 3 for word, each in parts.items()}),
        monosyllables=total({word: sum(each) == 1 for word, each in parts.items()}),
        long_words=total({word: letters >= 7 for word, letters in length.items()}),
    )


def _grades(counts: Counts, language: str) -> dict[str, float]:
    """Years of school by formula: those made for English, one made for German, none for the others."""
    per_sentence = counts.words / counts.sentences
    percent = 100 / counts.words
    if language == "en":
        return {
            "flesch_kincaid": 0.39 * per_sentence + 11.8 * counts.syllables / counts.words - 15.59,
            "gunning_fog": 0.4 * (per_sentence + counts.polysyllables * percent),
            "smog": 1.043 * math.sqrt(counts.polysyllables * 30 / counts.sentences) + 3.1291,
            "coleman_liau": 0.0588 * counts.letters * percent - 0.296 * counts.sentences * percent - 15.8,
            "automated_readability": 4.71 * counts.letters / counts.words + 0.5 * per_sentence - 21.43,
        }
    if language == "de":
        return {
            "wiener_sachtextformel": 0.1935 * counts.polysyllables * percent
            + 0.1672 * per_sentence
            + 0.1297 * counts.long_words * percent
            - 0.0327 * counts.monosyllables * percent
            - 0.875
        }
    return {}
