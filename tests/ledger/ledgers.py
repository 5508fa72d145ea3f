"""Ledgers in this process, several on one database where wanted, and signed commands for them."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.application.committer import Committer
from services.ledger.application.ledger import Ledger
from services.ledger.application.results import Answer, Result
from services.ledger.application.shard import Shard
from services.ledger.domain import commands as cmd
from services.ledger.domain.account import Account, deadlines_of
from services.ledger.store.log import LogStore
from services.runtime import clock, ids, lifecycle, postgres
from tests.harness.databases import Database

SHARDS = 16
DAY = 24 * 3600 * clock.MICROS_PER_SECOND
PROMOTION = 2


@contextlib.asynccontextmanager
async def running(database: Database, *writers: str, **fields: Any) -> AsyncIterator[list[Ledger]]:
    """A ledger for each writer, all on one database; `fields` go to Ledger."""
    async with postgres.open_pool(database.dsn, "test") as pool:
        ledgers = [Ledger(database.dsn, pool, SHARDS, writer, **fields) for writer in writers]
        async with lifecycle.background(*(loop for ledger in ledgers for loop in ledger.loops)):
            yield ledgers


def committer_of(ledger: Ledger, account_id: str) -> Committer:
    """The commit loop of an account's shard."""
    return ledger._committer(ledger.shard_number(account_id))


def place_of(ledger: Ledger, account_id: str) -> Any:
    """An account's shard within its commit loop: memory, queue, and how it fares against rivals."""
    return committer_of(ledger, account_id)._places[ledger.shard_number(account_id)]


async def done(ledger: Ledger, command: cmd.Command) -> Answer:
    """The answer to a command; AssertionError where it is refused."""
    (result,) = await ledger.execute([command])
    assert isinstance(result, Answer), result
    return result


async def result_of(ledger: Ledger, command: cmd.Command) -> Result:
    """The answer to a command, or its refusal."""
    (result,) = await ledger.execute([command])
    return result


# ---- commands, each with a request id of its own unless told


def open_account(account_id: str, credit_limit: int = 0) -> cmd.Command:
    """Opens an account."""
    return _signed(cmd.OpenAccount, account_id, credit_limit=credit_limit)


def grant(account_id: str, amount: int, *, effective_in: int = 0, expires_in: int = 0, **fields: Any) -> cmd.Command:
    """Adds credits, which are of use after and until so many microseconds from now; 0: at once, for ever."""
    now = clock.now_us()
    return _signed(
        cmd.GrantCredits,
        account_id,
        grant_id=ids.uuid7(),
        amount=amount,
        source=PROMOTION,
        priority=100,
        effective_at=now + effective_in if effective_in else 0,
        expires_at=now + expires_in if expires_in else 0,
        **fields,
    )


def reserve(account_id: str, reservation_id: str, amount: int, ttl: int = DAY, **fields: Any) -> cmd.Command:
    """Sets credits aside."""
    return _signed(cmd.ReserveCredits, account_id, reservation_id=reservation_id, amount=amount, ttl=ttl, **fields)


def capture(account_id: str, reservation_id: str, total: int, final: bool = True, **fields: Any) -> cmd.Command:
    """Spends reserved credits."""
    fields.setdefault("up_to_available", False)
    return _signed(
        cmd.CaptureReservation,
        account_id,
        reservation_id=reservation_id,
        captured_total=total,
        final=final,
        **fields,
    )


def release(account_id: str, reservation_id: str) -> cmd.Command:
    """Gives reserved credits back."""
    return _signed(cmd.ReleaseReservation, account_id, reservation_id=reservation_id)


def send(account_id: str, to_account_id: str, transfer_id: str, amount: int) -> cmd.SendTransfer:
    """Lets credits leave for another account."""
    command = _signed(cmd.SendTransfer, account_id, transfer_id=transfer_id, to_account_id=to_account_id, amount=amount)
    assert isinstance(command, cmd.SendTransfer)
    return command


def close(account_id: str) -> cmd.Command:
    """Closes an account and withdraws what is available."""
    return _signed(
        cmd.UpdateAccount,
        account_id,
        state=cmd.AccountState.CLOSED,
        credit_limit=None,
        void_available=True,
        reason="test",
    )


def _signed(make: Any, account_id: str, *, request_id: str = "", not_after: int = 0, **fields: Any) -> cmd.Command:
    not_after = not_after or clock.now_us() + DAY
    cause = {"request_id": request_id or ids.uuid7(), "remember_until": not_after, "actor": "service:test"}
    command: cmd.Command = make(account_id, cause, not_after, **fields)
    cause["fingerprint"] = cmd.fingerprint(command)
    return command


# ---- what memory holds


async def folded(database: Database, number: int) -> Shard:
    """A shard as its log alone tells it."""
    store, shard = LogStore(database.dsn), Shard(number)
    try:
        while commits := await store.read(number, shard.seq, shard.hash, 256):
            for commit in commits:
                shard.fold(commit)
    finally:
        await store.close()
    return shard


async def events_of(database: Database, number: int) -> list[pb.Event]:
    """What a shard's log holds, in order."""
    store = LogStore(database.dsn)
    commits = await store.read(number, 0, bytes(32), 10_000)
    await store.close()
    return [event for commit in commits for event in pb.EventBatch.FromString(commit.body).events]


def state(shard: Shard) -> dict[str, Any]:
    """All that a shard's memory says, in a form to compare: without marks of batches and leftovers of heaps."""
    earliest = min(
        (deadlines_of(account)[:1] for account in shard.accounts.values() if deadlines_of(account)), default=[]
    )
    # The shard wakes in time for whatever lapses first.
    assert not earliest or (shard.next_deadline is not None and shard.next_deadline <= earliest[0][0])
    return {
        "head": (shard.seq, shard.hash, shard.next_position, shard.at),
        "accounts": {account_id: _account(account) for account_id, account in sorted(shard.accounts.items())},
        "request_ids": sorted(row for table in shard.request_ids._tables for row in table.rows()),
        "pending": dict(shard.request_ids.pending),
        "has_events": shard.has_events,
    }


def _account(account: Account) -> dict[str, Any]:
    # Whatever is to lapse is on the heap; more may be, and is passed over.
    assert set(deadlines_of(account)) <= set(account.deadlines or ())
    told = asdict(account) | {
        "deadlines": deadlines_of(account),
        "more": account.more._replace(lapsing=(), refunds=None, transfers=None, received=None),
        "burn": [grant.number for grant in account.burn],
        "lapsing": sorted(grant.number for grant in account.lapsing),
        "refunds": account.refunds,
        "transfers": {key: asdict(transfer) for key, transfer in account.transfers.items()},
        "received": account.received,
    }
    without_marks: dict[str, Any] = _without_epochs(told)
    return without_marks


def _without_epochs(told: Any) -> Any:
    if isinstance(told, dict):
        return {key: _without_epochs(value) for key, value in told.items() if key != "epoch"}
    if isinstance(told, list | tuple):
        return [_without_epochs(value) for value in told]
    return told
