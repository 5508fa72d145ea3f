"""Random histories of two ledger processes under kills, judged by a checker that shares no code with the ledger.

`make test` runs a short one. `make test-crash` runs one of SCRIP_TEST_CRASH_SECONDS (60 unless set); the seed that a
failure names is set by SCRIP_TEST_CRASH_SEED. It gives the same commands and troubles, though not the same moments.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from scrip.ledger.v1 import ledger_pb2, ledger_pb2_grpc

from services.runtime import clock
from services.runtime.errors import Refusal
from services.runtime.grpc_client import Peer
from tests.harness.own_postgres import OwnPostgres
from tests.harness.replicas import Replicas
from tests.harness.waiting import eventually
from tests.ledger.history import actions, log
from tests.ledger.history.adversary import Adversary
from tests.ledger.history.callers import Caller
from tests.ledger.history.check import check, credits_of
from tests.ledger.history.world import World

CALLERS = 12
END_SECONDS = 30
SHORT = ("lose sessions", "kill one", "freeze one", "take snapshots", "kill PostgreSQL", "kill both")
# Long histories are asked for by name only.
LONG_SECONDS = float(os.environ.get("SCRIP_TEST_CRASH_SECONDS", "0"))  # noqa: TID251 (a test's own setting)
SEED = int(os.environ.get("SCRIP_TEST_CRASH_SEED", "1"))  # noqa: TID251


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OwnPostgres]:
    """A PostgreSQL that may be killed."""
    own = OwnPostgres(tmp_path / "postgres")
    try:
        yield own
    finally:
        own.close()


@pytest.fixture
async def replicas(server: OwnPostgres, tmp_path: Path) -> AsyncIterator[Replicas]:
    """Two ledger processes on one database."""
    folder = tmp_path / "replicas"
    folder.mkdir()
    running = Replicas(server.databases.create("ledger"), folder, 2)
    try:
        await running.start()
        yield running
    finally:
        await running.stop()
        print(running.errors())


@pytest.fixture
async def peers(replicas: Replicas) -> AsyncIterator[list[Peer]]:
    """A channel to each."""
    opened = [replicas.peer(number) for number in range(2)]
    yield opened
    for peer in opened:
        await peer.close()


async def test_no_kill_loses_or_doubles_anything(server: OwnPostgres, replicas: Replicas, peers: list[Peer]) -> None:
    """Whatever dies and whenever: what was answered is in the log once, what was refused is not, and all adds up."""
    print(f"SCRIP_TEST_CRASH_SEED={SEED}")
    world = World(random.Random(SEED))
    adversary = Adversary(random.Random(SEED), replicas, server, lambda: len(world.said))
    callers = [Caller(world, peers) for _ in range(CALLERS)]
    for account_id in world.accounts:
        await callers[0].say(*actions.opening(world, account_id))
    trouble = asyncio.create_task(
        adversary.make_until(clock.monotonic() + LONG_SECONDS) if LONG_SECONDS else adversary.make(*SHORT)
    )
    await asyncio.gather(trouble, *(caller.work(lambda: not trouble.done()) for caller in callers))
    judged = await judge(world, peers)
    print(f"{len(world.said)} commands, {judged.commits} commits, {len(world.seen)} reads, {adversary.done}")
    assert len(judged.writers) > 2, "replicas that came back wrote too"
    kinds = Counter(event.kind for event in judged.events.values())
    assert len(kinds) > 12, "a history in which little happens proves little"


async def judge(world: World, peers: list[Peer]) -> log.Log:
    """Waits for what the ledger does by itself, then checks everything."""

    async def is_over() -> log.Log | None:
        try:
            found = await log.read(peers[0])
        except Refusal as refusal:
            assert refusal.reason == "UPSTREAM_UNAVAILABLE"
            return None
        return found if not found.books["transit"] else None

    read = await eventually(is_over, END_SECONDS, "transfers do not end")
    for peer in peers:
        stub = ledger_pb2_grpc.LedgerServiceStub(peer.channel)
        for account_id in world.accounts:
            request = ledger_pb2.GetBalanceRequest(account_id=account_id)
            response = await peer.call(stub.GetBalance, request)
            reached = read.credits_at(account_id, int(response.position.partition(":")[2]))
            if reached[1] > response.as_of.ToMicroseconds():
                assert credits_of(response.credits) == reached[0]
    check(world, read)
    await check_reads(peers[0], read)
    return read


async def check_reads(peer: Peer, read: log.Log) -> None:
    """The ledger's own view of its whole: the check of each shard, and every account's statement."""
    stub = ledger_pb2_grpc.LedgerServiceStub(peer.channel)
    for shard in {shard for shard, _ in read.events}:
        verified = await peer.call(stub.VerifyLog, ledger_pb2.VerifyLogRequest(shard=shard), timeout=END_SECONDS)
        assert not verified.problems
    for account_id, told in read.told.items():
        positions = [position for position, _, _ in told]
        request = ledger_pb2.ListEntriesRequest(account_id=account_id, page_size=200)
        entries: list[int] = []
        while True:
            page = await peer.call(stub.ListEntries, request, timeout=END_SECONDS)
            entries += [int(entry.position.partition(":")[2]) for entry in page.entries]
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        # What lapsed since the log was read is on top.
        assert entries[-len(positions) :] == positions[::-1]
