"""Mistakes of grammar, spelling and punctuation in an English text, by Harper, and the text with them put right."""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from services.executor.material import sentences

if TYPE_CHECKING:
    from harper import Lint, Linter

PROBLEMS_MAX = 500
SUGGESTIONS_MAX = 5
LINTERS_MAX = 2
# The first hides all mistakes in a long sentence behind one remark; the second finds fault with "the weather is nice".
RULES_OFF: dict[str, bool | None] = {"LongSentences": False, "MissingPreposition": False}
# Harper's time grows with the square of a text, and its memory with that of a word: one of some thousand letters would
# end the process.
PIECE_CHARACTERS_MAX = 1_000
_ENDLESS_WORD = re.compile(r"[\w'’]{101,}")


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """The first 500 problems of `text` in order, and it with the first suggestion for each of them taken."""
    text = input["text"]
    found = list(islice(_problems(_linter(input.get("dialect", "american")), text), PROBLEMS_MAX + 1))
    problems = found[:PROBLEMS_MAX]
    return {
        "problems": problems,
        "complete": len(found) <= PROBLEMS_MAX,
        "corrected_text": _corrected(text, problems),
    }


def _problems(linter: "Linter", text: str) -> Iterator[dict[str, Any]]:
    from harper import Language

    # A number in its place says nothing wrong.
    readable = _ENDLESS_WORD.sub(lambda word: "1" * len(word.group()), text)
    for start, end in _pieces(readable):
        lints = linter.lint(readable[start:end], language=Language.PLAINTEXT)
        for lint in sorted(lints, key=lambda lint: lint.span.start):
            yield _described(text, start, lint)


def _described(text: str, offset: int, lint: "Lint") -> dict[str, Any]:
    start, end = offset + lint.span.start, offset + lint.span.end
    return {
        "kind": lint.lint_kind_pretty,
        "message": lint.message,
        "text": text[start:end],
        "start": start,
        "end": end,
        "suggestions": [_replacement(lint, suggestion) for suggestion in lint.suggestions[:SUGGESTIONS_MAX]],
    }


def _replacement(lint: "Lint", suggestion: Any) -> str:
    """What a suggestion puts in the place of the problem; nothing where it takes it away."""
    from harper import SuggestionKind

    before = lint.problem_text if suggestion.kind is SuggestionKind.INSERT_AFTER else ""
    return before + str(suggestion.replacement_text)


def _corrected(text: str, problems: list[dict[str, Any]]) -> str:
    corrected: list[str] = []
    cursor = 0
    for problem in problems:
        if problem["suggestions"] and problem["start"] >= cursor:
            corrected += text[cursor : problem["start"]], problem["suggestions"][0]
            cursor = problem["end"]
    return "".join([*corrected, text[cursor:]])


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """As many sentences together as fit, the space between them included; one that does not fit is cut at a space."""
    start = 0
    fitting = 0
    for _, end in sentences.spans(text):
        while end - start > PIECE_CHARACTERS_MAX:
            cut = fitting if fitting > start else _last_space(text, start)
            yield start, cut
            start = cut
        fitting = end
    if fitting:
        yield start, len(text)


def _last_space(text: str, start: int) -> int:
    """Where to cut a piece that begins at `start`."""
    end = start + PIECE_CHARACTERS_MAX
    return max(text.rfind(space, start, end) + 1 for space in "\n ") or end


@lru_cache(maxsize=LINTERS_MAX)
def _linter(dialect: str) -> "Linter":
    from harper import Dialect, Linter

    linter = Linter(Dialect[dialect.upper()])
    linter.set_lint_config(linter.get_lint_config() | RULES_OFF)
    return linter
