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
    assert chain.link(**COMMIT).hex() == "6bfe26b1423ae2583a88ec779cea262e19668accbbe150469bf77d320b232bbd"


@pytest.mark.parametrize(
    "change",
    [
        {"previous": b"\1" + bytes(31)},
        {"shard": 2},
        {"seq": 3},
        {"first_position": 4},
        {"n": 5},
        {"at_us": -5},
        {"writer": "v"},
        {"body": b"bodY"},
        {"body": b"body\0"},
        {"writer": "wb", "body": b"ody"},
    ],
    ids=repr,
)
def test_every_part_of_a_commit_changes_its_value(change: dict[str, Any]) -> None:
    """Whatever of a commit is altered, or moved from one part to the next, its chain value is another."""
    assert chain.link(**{**COMMIT, **change}) != chain.link(**COMMIT)
