"""Random sequences of all commands against an independent model, with undone batches and a replay of the log."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.domain.decide import grants
from tests.ledger.domain.player import Player
from tests.ledger.domain.steps import ACCOUNTS, KINDS, STEPS, Step

# Few enough that random sequences meet it.
GRANTS_MAX = 6


@pytest.fixture(autouse=True, scope="module")
def _few_grants() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grants, "GRANTS_MAX", GRANTS_MAX)
        yield


@settings(max_examples=500, deadline=None)
@given(STEPS)
def test_the_ledger_does_what_the_model_does(steps: list[Step]) -> None:
    """After every step: the same refusals, amounts, grants and reservations; undoing is exact; the log folds to it."""
    Player().play(steps)


def drawn(seed: int, count: int) -> list[Step]:
    """A long sequence."""
    draw = random.Random(seed)
    numbers = [(draw.randrange(len(ACCOUNTS)), draw.randrange(61), draw.randrange(10), draw.randrange(10))
               for _ in range(count)]  # fmt: skip
    return [(draw.choice(KINDS), *some) for some in numbers]


# What random sequences are refused for; the others need numbers or times that they seldom have.
REASONS = {
    "ACCOUNT_CLOSED", "ACCOUNT_EXISTS", "ACCOUNT_FROZEN", "ACCOUNT_NOT_EMPTY", "ACCOUNT_NOT_FOUND", "BATCH_REFUSED",
    "CAPTURE_EXCEEDS_RESERVED", "CREDIT_LIMIT_BELOW_USED", "GRANT_NOT_FOUND", "INSUFFICIENT_CREDITS",
    "REFUND_EXCEEDS_CAPTURED", "REQUEST_EXPIRED", "REQUEST_ID_REUSED", "REQUEST_INVALID", "RESERVATION_ENDED",
    "RESERVATION_EXPIRED", "RESERVATION_NOT_FOUND", "TOO_MANY_GRANTS", "TRANSFER_NOT_FOUND", "TRANSFER_REJECTED",
}  # fmt: skip


def test_long_sequences_meet_every_kind_of_event_and_refusal() -> None:
    """The comparison is worth as much as what it meets: all there is."""
    kinds: Counter[int] = Counter()
    met: Counter[str] = Counter()
    for seed in range(24):
        player = Player()
        player.play(drawn(seed, 300))
        kinds += player.follower.kinds
        met += player.met
    assert set(kinds) == {kind for kind in pb.EventKind.values() if kind}
    assert REASONS - set(met) == set()
