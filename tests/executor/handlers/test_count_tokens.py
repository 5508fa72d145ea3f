"""Tokens as OpenAI counts them."""

import pytest

from services.executor.handlers import count_tokens

TEXT = "Where words fail, music speaks."


def test_tokens_are_counted_in_the_newer_vocabulary_unless_another_is_asked_for() -> None:
    """Their ids tell which it was."""
    assert count_tokens.run({"text": TEXT}, {}) == {"encoding": "o200k_base", "tokens": 7}
    output = count_tokens.run({"text": TEXT, "encoding": "cl100k_base", "ids": 100}, {})
    assert output == {"encoding": "cl100k_base", "tokens": 7, "ids": [9241, 4339, 3775, 11, 4731, 21881, 13]}


def test_known_ids_of_both_vocabularies() -> None:
    """As OpenAI's own tokenizer gives them."""
    for encoding, ids in (("cl100k_base", [15339, 1917]), ("o200k_base", [24912, 2375])):
        assert count_tokens.run({"text": "hello world", "encoding": encoding, "ids": 9}, {})["ids"] == ids


def test_ids_are_those_of_the_first_tokens() -> None:
    """The count is that of all."""
    output = count_tokens.run({"text": "one two three four five", "ids": 2}, {})
    assert (output["tokens"], len(output["ids"])) == (5, 2)


def test_special_tokens_are_plain_text() -> None:
    """As in what users write."""
    assert count_tokens.run({"text": "<|endoftext|>"}, {})["tokens"] > 1


@pytest.mark.parametrize("encoding", ["o200k_base", "cl100k_base"])
@pytest.mark.parametrize("piece", ["a", " ", "😀", "\n", "1", "中", "aB", "\0", "'"])
def test_the_longest_text_is_counted_whatever_it_is(piece: str, encoding: str) -> None:
    """A million characters; more tokens than the library's own limit."""
    text = (piece * 1_000_000)[:1_000_000]
    assert count_tokens.run({"text": text, "encoding": encoding}, {})["tokens"] > 1_000
