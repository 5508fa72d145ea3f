"""Which shards a replica keeps folded: those that callers send to it first, and those it stands by for.

Any replica answers for any shard; one that has to load it first makes its callers wait for that. So each shard is warm
on two: the one that clients prefer, and the one they turn to when that is gone. Both follow from the same ranking.
"""

from collections.abc import Sequence

from scrip_client.routing import ranking

WARM_REPLICAS = 2


def warm_shards(shards: int, replica: str, replicas: Sequence[str]) -> list[int]:
    """The shards, 0 to `shards` - 1, that `replica` keeps folded; all of them where it is the only one."""
    if len(replicas) <= 1:
        return list(range(shards))
    return [number for number in range(shards) if replica in ranking(number, replicas)[:WARM_REPLICAS]]
