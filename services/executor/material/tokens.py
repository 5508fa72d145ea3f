"""Tokens of texts, by OpenAI's own vocabularies (bpe-openai), in linear time; special tokens are read as plain text."""

import warnings
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bpe_openai._bindings import PyTokenizer

PACKAGE = "bpe_openai"
ENCODING_DEFAULT = "o200k_base"


def count(text: str) -> int:
    """How many tokens a text is by the default vocabulary."""
    return int(tokenizer(ENCODING_DEFAULT).count(text))


@cache
def tokenizer(encoding: str) -> "PyTokenizer":
    """A vocabulary; reading it takes half a second, once."""
    with warnings.catch_warnings():
        # The package reads its vocabularies in a way that Python 3.11 deprecates and 3.13 does not.
        warnings.simplefilter("ignore", DeprecationWarning)
        # What it shows of its tokenizers refuses texts of more than 200,000 tokens.
        from bpe_openai._bindings import tokenizer_for_encoding

    return tokenizer_for_encoding(encoding)
