"""Code in colours, as HTML, by Pygments. Its lexers backtrack on some code, so time is bounded."""

from typing import TYPE_CHECKING, Any

from services.executor.material.deadline import deadline
from services.executor.material.errors import ToolError

if TYPE_CHECKING:
    from pygments.lexer import Lexer

SECONDS_MAX = 10
# Guessing asks some 600 lexers, and takes a quarter of a second for this much of the worst code.
GUESS_CHARS = 3_000


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """HTML of `code`, with its language, and with the style sheet where the colours are `classes`.

    Raises LANGUAGE_UNKNOWN and TOO_SLOW.
    """
    from pygments import highlight
    from pygments.formatters import HtmlFormatter

    is_inline = input.get("colours", "inline") == "inline"
    formatter = HtmlFormatter(style=input.get("style", "default"), noclasses=is_inline)
    with deadline(SECONDS_MAX, "the code"):
        lexer = _named(input["language"]) if "language" in input else _guessed(input["code"])
        output = {"language": lexer.aliases[0], "html": highlight(input["code"], lexer, formatter)}
    if not is_inline:
        rules = formatter.get_background_style_defs(".highlight") + formatter.get_token_style_defs(".highlight")
        output["css"] = "\n".join(rules)
    return output


def _named(language: str) -> "Lexer":
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(language, stripnl=False)
    except ClassNotFound as error:
        raise ToolError(
            "LANGUAGE_UNKNOWN", f"language: {language} is none that is known; python, javascript and sql are three"
        ) from error


def _guessed(code: str) -> "Lexer":
    from pygments.lexers import guess_lexer

    return guess_lexer(code[:GUESS_CHARS], stripnl=False)
