"""Golden files: commits as they were written once, and what they fold to. They are read for ever and never changed.

`<kind>[-<variant>].<version>.binpb` is a serialized EventBatch with an event of that kind; beside it `.json` names the
files that are folded before it, and the state after it. What an event looks like changes by a new version beside the
old one; what it does to an account never changes. Version 0 is of the program that still copied its events.
"""

import json
from pathlib import Path
from typing import Any

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.application.shard import Shard
from services.ledger.domain.account import Account

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The names of all files, without their endings."""
    return sorted(path.stem for path in FOLDER.glob("*.binpb"))


def kind_in(name: str) -> str:
    """The kind of event that a name begins with, as the log's enum has it without its prefix."""
    return name.split(".", maxsplit=1)[0].split("-", maxsplit=1)[0].upper()


def batch(name: str) -> pb.EventBatch:
    """The commit of a file."""
    return pb.EventBatch.FromString((FOLDER / f"{name}.binpb").read_bytes())


def expected(name: str) -> dict[str, Any]:
    """What is beside it: `after`, names of files; `state`, of every account."""
    told: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return told


def folded(name: str) -> Shard:
    """A shard that folded what is before a file, and then the file."""
    shard = Shard(0)
    for one in (*expected(name)["after"], name):
        commit = batch(one)
        shard.apply(commit.events, commit.seq, commit.recorded_at.ToMicroseconds())
    return shard


def state_of(shard: Shard) -> dict[str, Any]:
    """What a shard's accounts say, in words that outlive the program's."""
    return {account_id: _told(account) for account_id, account in sorted(shard.accounts.items())}


def _told(a: Account) -> dict[str, Any]:
    return {
        "created_at": a.created_at,
        "state": a.state.name,
        "credit_limit": a.credit_limit,
        "granted": a.granted,
        "available": a.available,
        "reserved": a.reserved,
        "spent": a.spent,
        "expired": a.expired,
        "voided": a.voided,
        "owed": a.owed,
        "on_credit": a.on_credit,
        "transferred_in": a.more.transferred_in,
        "transferred_out": a.more.transferred_out,
        "grants_made": a.grants_made,
        "grants": [
            {
                "number": g.number,
                "grant_id": g.grant_id,
                "amount": g.amount,
                "available": g.available,
                "reserved": g.reserved,
                "source": pb.GrantSource.Name(g.source).removeprefix("GRANT_SOURCE_"),  # type: ignore[arg-type]
                "priority": g.priority,
                "effective_at": g.effective_at,
                "expires_at": g.expires_at,
                "created_at": g.created_at,
                "state": g.state.name,
            }
            for g in a.grants
        ],
        "burn": [grant.number for grant in a.burn],
        "open_reservations": [
            {
                "reservation_id": r.reservation_id,
                "amount": r.amount,
                "reserved": r.reserved,
                "captured": r.captured,
                "shortfall": r.shortfall,
                "expires_at": r.expires_at,
                "created_at": r.created_at,
                "remember_until": r.remember_until,
                "holds": [[number, part] for number, part in sorted(r.holds) if part],
            }
            for _, r in sorted(a.open_reservations.items())
        ],
        "refunds": a.refunds,
        "transfers": [
            {
                "transfer_id": t.transfer_id,
                "to_account_id": t.to_account_id,
                "amount": t.amount,
                "expires_at": t.expires_at,
                "created_at": t.created_at,
                "parts": [list(part) for part in t.parts],
            }
            for _, t in sorted(a.transfers.items())
        ],
        "received": a.received,
    }
