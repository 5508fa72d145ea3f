"""Each shard is kept folded by two replicas, so that the second answers at once when the first is gone."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from scrip.ledger.v1 import events_pb2, ledger_pb2

from scrip_client import LedgerClient, shard_of
from scrip_client.routing import ranking
from services.ledger.application.ledger import Ledger
from services.ledger.application.standby import WARM_REPLICAS, warm_shards
from services.runtime import ids, lifecycle, postgres
from tests.harness.databases import Databases
from tests.harness.replicas import Replicas
from tests.harness.waiting import eventually
from tests.ledger.ledgers import SHARDS, done, grant, open_account, place_of

DEADLINE_SECONDS = 60
ADDRESSES = [f"ledger-{number}:9000" for number in range(3)]


def test_each_shard_is_warm_where_clients_go_first_and_second() -> None:
    """The replicas that keep a shard folded are the two that every client ranks highest for it."""
    warm = {address: warm_shards(SHARDS, address, ADDRESSES) for address in ADDRESSES}
    assert Counter(number for shards in warm.values() for number in shards) == dict.fromkeys(range(SHARDS), 2)
    for number in range(SHARDS):
        first_and_second = ranking(number, ADDRESSES)[:WARM_REPLICAS]
        assert all(number in warm[address] for address in first_and_second)
    assert warm_shards(SHARDS, ADDRESSES[0], ADDRESSES[:1]) == list(range(SHARDS))


async def test_the_second_replica_follows_unasked(databases: Databases) -> None:
    """What one replica commits, the shard's other warm one folds without any call; a third does not."""
    database = databases.create("ledger")
    number = shard_of("a", SHARDS)
    async with postgres.open_pool(database.dsn, "test") as pool, asyncio.timeout(DEADLINE_SECONDS):
        ledgers = [
            Ledger(database.dsn, pool, SHARDS, address, warm_shards(SHARDS, address, ADDRESSES), 0.02)
            for address in ranking(number, ADDRESSES)
        ]
        async with lifecycle.background(*(loop for ledger in ledgers for loop in ledger.loops)):
            await done(ledgers[0], open_account("a"))
            await done(ledgers[0], grant("a", 5))
            heads = [place_of(ledger, "a").shard for ledger in ledgers]
            await eventually(lambda: place_of(ledgers[1], "a").shard.hash == heads[0].hash)
            assert place_of(ledgers[2], "a").shard.seq == 0


@pytest.fixture
async def replicas(databases: Databases, tmp_path: Path) -> AsyncIterator[Replicas]:
    """Two ledger processes on one database."""
    running = Replicas(databases.create("ledger"), tmp_path, 2)
    try:
        await running.start()
        yield running
    finally:
        await running.stop()


async def test_clients_go_on_at_the_other_replica(replicas: Replicas) -> None:
    """After `kill -9` of one replica the client's calls are answered by the other, and nothing is lost or doubled."""
    accounts = [f"account-{number}" for number in range(8)]
    # Whom clients ask first, for one of the accounts at least.
    victim = replicas.addresses.index(ranking(shard_of(accounts[0], SHARDS), replicas.addresses)[0])
    async with LedgerClient(replicas.addresses, replicas.token) as client, asyncio.timeout(DEADLINE_SECONDS):
        for account_id in accounts:
            await client.open_account(ledger_pb2.OpenAccountRequest(request_id=ids.uuid7(), account_id=account_id))
            await client.grant(
                ledger_pb2.GrantCreditsRequest(
                    request_id=ids.uuid7(),
                    account_id=account_id,
                    amount_micros=1_000_000,
                    source=events_pb2.GRANT_SOURCE_PROMOTION,
                )
            )
        killed = asyncio.Event()
        spent = Counter[str]()

        async def pairs(account_id: str) -> None:
            after = 0
            while after < 5:
                reservation_id = ids.uuid7()
                await client.reserve(
                    ledger_pb2.ReserveCreditsRequest(
                        request_id=ids.uuid7(),
                        account_id=account_id,
                        reservation_id=reservation_id,
                        amount_micros=2,
                        ttl=Duration(seconds=600),
                    ),
                    timeout=20,
                )
                await client.capture(
                    ledger_pb2.CaptureReservationRequest(
                        request_id=ids.uuid7(),
                        account_id=account_id,
                        reservation_id=reservation_id,
                        captured_total_micros=1,
                        final=True,
                    ),
                    timeout=20,
                )
                spent[account_id] += 1
                after += killed.is_set()

        async def kill() -> None:
            await eventually(lambda: spent.total() > 40)
            replicas.kill(victim)
            killed.set()

        await asyncio.gather(kill(), *(pairs(account_id) for account_id in accounts))
        for account_id in accounts:
            balance = await client.get_balance(ledger_pb2.GetBalanceRequest(account_id=account_id))
            assert (balance.credits.spent_micros, balance.credits.reserved_micros) == (spent[account_id], 0)
