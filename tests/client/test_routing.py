"""Accounts, shards and replicas."""

from collections import Counter

import pytest

from scrip_client import shard_of
from scrip_client.routing import ranking
from services.ledger.application import ledger

SHARDS = 16
ADDRESSES = [f"ledger-{number}.ledger:9000" for number in range(4)]


@pytest.mark.parametrize("account_id", ["acme", "demo", "a-0198c0de-aaaa-7000-8000-000000000000", "0"])
def test_the_client_and_the_ledger_agree_on_shards(account_id: str) -> None:
    """Else two replicas would get in each other's way."""
    assert shard_of(account_id, SHARDS) == ledger.shard_of(account_id, SHARDS)


def test_a_known_shard() -> None:
    """The rule never changes: the log is ordered by it."""
    assert [shard_of("acme", SHARDS), shard_of("demo", SHARDS)] == [0, 4]


def test_every_caller_ranks_alike() -> None:
    """Whatever order the replicas are named in."""
    for shard in range(SHARDS):
        assert ranking(shard, ADDRESSES) == ranking(shard, ADDRESSES[::-1])


def test_a_replica_that_goes_moves_only_its_own_shards() -> None:
    """The others stay where their commands are in memory."""
    for shard in range(SHARDS):
        for gone in ADDRESSES:
            rest = [address for address in ADDRESSES if address != gone]
            assert ranking(shard, rest) == [address for address in ranking(shard, ADDRESSES) if address != gone]


def test_shards_are_spread() -> None:
    """Of many shards every replica gets about its part."""
    first = Counter(ranking(shard, ADDRESSES)[0] for shard in range(1_024))
    assert all(200 < first[address] < 320 for address in ADDRESSES)
