"""Commands as tests write them."""

import asyncio
from typing import Any

from google.protobuf.duration_pb2 import Duration
from scrip.ledger.v1 import ledger_pb2

from scrip_client import LedgerClient, shard_of
from scrip_client.routing import ranking
from tests.client.double import LedgerDouble


def reserve(name: str, account_id: str = "acme", **fields: Any) -> ledger_pb2.ReserveCreditsRequest:
    """A reservation whose id is its request's."""
    return ledger_pb2.ReserveCreditsRequest(
        request_id=name, account_id=account_id, reservation_id=name, ttl=Duration(seconds=60), **fields
    )


def command(name: str, account_id: str = "acme") -> ledger_pb2.Command:
    """The same for a list."""
    return ledger_pb2.Command(reserve_credits=reserve(name, account_id))


def asked(client: LedgerClient, name: str, account_id: str = "acme", timeout: float = 10) -> "asyncio.Task[str]":
    """A task that reserves; its result is the request id that the answer names."""

    async def position() -> str:
        return (await client.reserve(reserve(name, account_id), timeout)).position

    return asyncio.create_task(position())


async def turns(number: int = 3) -> None:
    """Lets tasks that can run do so."""
    for _ in range(number):
        await asyncio.sleep(0)


def account_of(replica: LedgerDouble, replicas: list[LedgerDouble]) -> str:
    """An account whose commands go to this replica."""
    addresses = [one.address for one in replicas]
    names = (f"a-{number}" for number in range(1_000))
    return next(name for name in names if ranking(shard_of(name, 16), addresses)[0] == replica.address)
