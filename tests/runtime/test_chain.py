"""The hash chain covers everything that is stored."""

from typing import Any

import pytest

from services.runtime import chain

COMMIT: dict[str, Any] = {
    "previous": bytes(32),
    "shard": 1,
    "seq": 2,
    "first_position": 3,
    "n": 4,
    "at_us": 5,
    "writer": "w",
    "body": b"body",
}


def test_the_value_is_what_it_was_on_the_first_day() -> None:
    """Logs are for ever, and so is how they are hashed."""
    assert chain.link(**COMMIT).hex() == "8a1e4b1d8ec1fd1ca2d0c6b4b1e4a8f3"  # placeholder


@pytest.mark.parametrize("name", COMMIT)
def test_every_part_of_a_commit_changes_its_value(name: str) -> None:
    """Whatever of a commit is altered, its chain value is another."""
    value = COMMIT[name]
    other = value + 1 if isinstance(value, int) else value[:-1] + type(value)(value[:0]) if not value else None
    if other is None:
        other = "x" if isinstance(value, str) else b"\1" + value[1:]
    assert chain.link(**{**COMMIT, name: other}) != chain.link(**COMMIT)
