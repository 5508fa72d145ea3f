"""How many tokens a text is for OpenAI's models, by their own vocabularies."""

from typing import Any

from services.executor.material.tokens import ENCODING_DEFAULT, tokenizer


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """The number of tokens of `text`, and the ids of the first `ids`; special tokens are read as plain text."""
    encoding, text, wanted = input.get("encoding", ENCODING_DEFAULT), input["text"], input.get("ids", 0)
    vocabulary = tokenizer(encoding)
    if not wanted:
        return {"encoding": encoding, "tokens": vocabulary.count(text)}
    ids = vocabulary.encode(text)
    return {"encoding": encoding, "tokens": len(ids), "ids": ids[:wanted]}
