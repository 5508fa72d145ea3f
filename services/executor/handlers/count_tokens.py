"""How many tokens a text is for OpenAI's models, by their own vocabularies (bpe-openai), in linear time."""

import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bpe_openai._bindings import PyTokenizer

ENCODING_DEFAULT = "o200k_base"


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """The number of tokens of `text`, and the ids of the first `ids`; special tokens are read as plain text."""
    encoding, text, wanted = input.get("encoding", ENCODING_DEFAULT), input["text"], input.get("ids", 0)
    tokenizer = _tokenizer(encoding)
    if not wanted:
        return {"encoding": encoding, "tokens": tokenizer.count(text)}
    ids = tokenizer.encode(text)
    return {"encoding": encoding, "tokens": len(ids), "ids": ids[:wanted]}


@cache
def _tokenizer(encoding: str) -> "PyTokenizer":
    with warnings.catch_warnings():
        # The package reads its vocabularies in a way that Python 3.11 deprecates and 3.13 does not.
        warnings.simplefilter("ignore", DeprecationWarning)
        # What it shows of its tokenizers refuses texts of more than 200,000 tokens.
        from bpe_openai._bindings import tokenizer_for_encoding

    return tokenizer_for_encoding(encoding)
