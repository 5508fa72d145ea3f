"""Which commits continue a shard."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from services.analytics.commits import Commit
from services.analytics.continuation import Ending, continue_from
from tests.analytics.logs import WrittenLog, credit

KNOWN = frozenset({1, 2})


def written(count: int = 5) -> list[Commit]:
    log = WrittenLog("ledger")
    for _ in range(count):
        log.write(credit("CREDITS_GRANTED"))
    return log.commits


def other_log() -> list[Commit]:
    log = WrittenLog("ledger")
    for _ in range(5):
        log.write(credit("CREDITS_GRANTED", 7))
    return log.commits


# What is offered to a shard that holds the first two of five commits, what it takes, and why no more.
OFFERS: dict[str, tuple[Callable[[Sequence[Commit]], list[Commit]], list[int], Ending]] = {
    "nothing": (lambda _: [], [], Ending.COMPLETE),
    "the next": (lambda log: [log[2]], [3], Ending.COMPLETE),
    "the next ones": (lambda log: list(log[2:]), [3, 4, 5], Ending.COMPLETE),
    "the next ones in any order": (lambda log: [log[4], log[2], log[3]], [3, 4, 5], Ending.COMPLETE),
    "the next one twice": (lambda log: [log[2], log[2]], [3], Ending.COMPLETE),
    "only what it has": (lambda log: [log[0], log[1]], [], Ending.COMPLETE),
    "what it has and the next": (lambda log: list(log[:3]), [3], Ending.COMPLETE),
    "what comes later": (lambda log: [log[3]], [], Ending.GAP),
    "the next and what comes later": (lambda log: [log[2], log[4]], [3], Ending.GAP),
    "the next of another log": (lambda _: [other_log()[2]], [], Ending.DIVERGED),
    "the next, then one of another log": (lambda log: [log[2], other_log()[3]], [3], Ending.DIVERGED),
    "its last commit as another log has it": (lambda log: [other_log()[1], log[2]], [], Ending.DIVERGED),
    "a kind that nobody knows": (
        lambda log: [log[2], replace(log[3], events=[credit("GRANT_EXPIRED")]), log[4]],
        [3],
        Ending.UNKNOWN_KIND,
    ),
    "an event without a kind": (
        lambda log: [replace(log[2], events=[log[2].events[0], credit("UNSPECIFIED")])],
        [],
        Ending.UNKNOWN_KIND,
    ),
}


@pytest.mark.parametrize(("offer", "taken", "ending"), OFFERS.values(), ids=OFFERS)
def test_only_what_follows_is_taken(
    offer: Callable[[Sequence[Commit]], list[Commit]], taken: list[int], ending: Ending
) -> None:
    """A shard takes the next commits, in order, whose previous hash is its own, and stops at whatever does not fit."""
    log = written()
    result = continue_from(2, log[1].hash, offer(log), KNOWN)
    assert ([commit.seq for commit in result.commits], result.ending) == (taken, ending)
    assert bool(result.reason) == (ending is not Ending.COMPLETE)
