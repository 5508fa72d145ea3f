"""Transfers between shards whose ledger ended between two of their steps: another one brings each to one end."""

import asyncio
from collections import Counter

import pytest
from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.application.ledger import Ledger, shard_of
from services.ledger.application.transfers import Transfers, TransferState
from services.ledger.domain import commands as cmd
from services.ledger.domain.decide.grants import TOTAL_MICROS_MAX
from services.runtime import lifecycle
from tests.harness.databases import Database, Databases
from tests.harness.waiting import eventually
from tests.ledger.ledgers import SHARDS, close, done, events_of, grant, open_account, place_of, running, send

DEADLINE_SECONDS = 30
SENDER = "sender"
RECEIVER = next(
    name for name in map("receiver-{}".format, range(100)) if shard_of(name, SHARDS) != shard_of(SENDER, SHARDS)
)


@pytest.fixture
def database(databases: Databases) -> Database:
    """A database of the test's own."""
    return databases.create("ledger")


def steps(ledger: Ledger) -> tuple[cmd.ReceiveTransfer, cmd.CompleteTransfer, cmd.ReturnTransfer]:
    """What ends the transfer that the sender remembers."""
    (transfer,) = place_of(ledger, SENDER).shard.accounts[SENDER].transfers.values()
    return cmd.ending_of(SENDER, transfer, {"actor": "ledger"})


async def kinds(database: Database) -> Counter[int]:
    """How often each kind of event about a transfer is in the log."""
    found: Counter[int] = Counter()
    for number in {shard_of(SENDER, SHARDS), shard_of(RECEIVER, SHARDS)}:
        for event in await events_of(database, number):
            if event.transfer_id:
                found[event.kind] += 1
    return found


async def held(ledger: Ledger, account_id: str) -> int:
    """Available credits of an account."""
    _, balance, _, _ = await ledger.balance(account_id)
    return balance.available


async def ended(ledger: Ledger) -> None:
    """Lets two ledgers' workers bring the sender's transfers to their end, side by side."""
    workers = [Transfers(ledger), Transfers(ledger)]
    async with lifecycle.background(*(worker.run for worker in workers)):

        async def is_over() -> bool:
            look = await ledger.read_shard(
                ledger.shard_number(SENDER), lambda shard: not shard.accounts[SENDER].transfers
            )
            return bool(look)

        await eventually(is_over)


@pytest.mark.parametrize("received", [False, True])
async def test_a_transfer_that_was_left_under_way_arrives_once(database: Database, received: bool) -> None:
    """The ledger ended after the credits left, or after they arrived: the next one completes the transfer, once."""
    async with running(database, "a") as (ledger,), asyncio.timeout(DEADLINE_SECONDS):
        for account_id in (SENDER, RECEIVER):
            await done(ledger, open_account(account_id))
        await done(ledger, grant(SENDER, 100))
        command = send(SENDER, RECEIVER, "t1", 30)
        await done(ledger, command)
        if received:
            await done(ledger, steps(ledger)[0])
    async with running(database, "b") as (ledger,), asyncio.timeout(DEADLINE_SECONDS):
        await ended(ledger)
        again = await Transfers(ledger).transfer(command)
        assert again.state is TransferState.COMPLETED
        assert (await held(ledger, SENDER), await held(ledger, RECEIVER)) == (70, 30)
    assert await kinds(database) == {
        pb.EVENT_KIND_TRANSFER_SENT: 1,
        pb.EVENT_KIND_CREDITS_GRANTED: 1,
        pb.EVENT_KIND_TRANSFER_COMPLETED: 1,
    }


async def test_a_transfer_to_an_account_that_closed_comes_back(database: Database) -> None:
    """The other account was closed while the credits were on their way: the sender has them again, once."""
    async with running(database, "a") as (ledger,), asyncio.timeout(DEADLINE_SECONDS):
        for account_id in (SENDER, RECEIVER):
            await done(ledger, open_account(account_id))
        await done(ledger, grant(SENDER, 100))
        command = send(SENDER, RECEIVER, "t1", 30)
        await done(ledger, command)
        await done(ledger, close(RECEIVER))
    async with running(database, "b") as (ledger,), asyncio.timeout(DEADLINE_SECONDS):
        await ended(ledger)
        assert await held(ledger, SENDER) == 100
        again = await Transfers(ledger).transfer(command)
        assert (again.state, again.reason) == (TransferState.RETURNED, "ACCOUNT_CLOSED")
    assert await kinds(database) == {pb.EVENT_KIND_TRANSFER_SENT: 1, pb.EVENT_KIND_TRANSFER_RETURNED: 1}


async def test_a_transfer_that_finds_no_room_comes_back(database: Database) -> None:
    """The other account cannot hold more: the sender has the credits again, also when there is room later."""
    async with running(database, "a") as (ledger,), asyncio.timeout(DEADLINE_SECONDS):
        for account_id in (SENDER, RECEIVER):
            await done(ledger, open_account(account_id))
        await done(ledger, grant(SENDER, 100))
        await done(ledger, grant(RECEIVER, TOTAL_MICROS_MAX))
        sent = await Transfers(ledger).transfer(send(SENDER, RECEIVER, "t1", 30))
        assert (sent.state, sent.reason) == (TransferState.RETURNED, "TRANSFER_REJECTED")
        assert await held(ledger, SENDER) == 100
    assert await kinds(database) == {
        pb.EVENT_KIND_TRANSFER_SENT: 1,
        pb.EVENT_KIND_TRANSFER_REJECTED: 1,
        pb.EVENT_KIND_TRANSFER_RETURNED: 1,
    }


async def test_two_that_end_a_transfer_at_once_end_it_once(database: Database) -> None:
    """Each of two ledgers finds the transfer under way and takes every step; all but one of each find it taken."""
    async with running(database, "a", "b") as ledgers, asyncio.timeout(DEADLINE_SECONDS):
        for account_id in (SENDER, RECEIVER):
            await done(ledgers[0], open_account(account_id))
        await done(ledgers[0], grant(SENDER, 100))
        for number in range(8):
            await done(ledgers[0], send(SENDER, RECEIVER, f"t{number}", 10))
        await asyncio.gather(*(ended(ledger) for ledger in ledgers))
        assert (await held(ledgers[0], SENDER), await held(ledgers[1], RECEIVER)) == (20, 80)
    assert await kinds(database) == {
        pb.EVENT_KIND_TRANSFER_SENT: 8,
        pb.EVENT_KIND_CREDITS_GRANTED: 8,
        pb.EVENT_KIND_TRANSFER_COMPLETED: 8,
    }
