"""The words and phrases that matter most in a text, by YAKE's statistics of it alone (yake-rust)."""

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from services.executor.handlers import detect_language
from services.executor.material.errors import ToolError

if TYPE_CHECKING:
    from yake_rust import Yake

COUNT_DEFAULT = 10
WORDS_DEFAULT = 3
PLACES = 6
# ISO 639 → what YAKE calls its list of words that mean nothing by themselves. Languages without spaces between words
# are none of its.
_CODES = "ar bg cs da de el en es et fa fi fr hi hr hu hy id it lt lv nl no pl pt ro ru sk sl sv tr uk"
LANGUAGES = {code: {"cs": "cz"}.get(code, code) for code in _CODES.split()}
# The two written forms of Norwegian.
DETECTED_AS = {"nb": "no", "nn": "no"}
# No keyword.
_ENDLESS_WORD = re.compile(r"\S{200,}")


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """The `count` best keywords of `text`, the best first; raises LANGUAGE_UNKNOWN and TEXT_UNREADABLE."""
    text = _ENDLESS_WORD.sub(" ", input["text"])
    language = input.get("language") or _detected(text)
    extractor = _extractor(language, input.get("words", WORDS_DEFAULT))
    found = _found(extractor, text, input.get("count", COUNT_DEFAULT))
    return {
        "language": language,
        "keywords": [{"text": keyword, "score": round(score, PLACES)} for keyword, score in found],
    }


def _detected(text: str) -> str:
    found = detect_language.run({"text": text}, {})["language"]
    language = DETECTED_AS.get(found, found)
    if language not in LANGUAGES:
        raise ToolError(
            "LANGUAGE_UNKNOWN", f"language: the text seems to be {language}; say which of {', '.join(LANGUAGES)}"
        )
    return str(language)


def _found(extractor: "Yake", text: str, count: int) -> list[tuple[str, float]]:
    try:
        return extractor.get_n_best(text, n=count)
    except BaseException as error:
        # The library's expressions give up on some runs of signs, and it panics, which Python knows by this name only.
        if type(error).__name__ != "PanicException":
            raise
        raise ToolError("TEXT_UNREADABLE", "text: its signs cannot be split into words; is it prose?") from error


@cache
def _extractor(language: str, words: int) -> "Yake":
    from yake_rust import Yake

    return Yake(language=LANGUAGES[language], ngrams=words)
