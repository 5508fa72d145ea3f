"""What does not fit together between jobs and reservations: its shapes, and how the executor's answer becomes them."""

from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType
from scrip.executor.v1 import executor_pb2

from services.gateway.credits import show
from services.gateway.mapping import time_of
from services.gateway.shapes import Credits

FindingKind = Literal[
    "settlement_late",
    "settlement_refused",
    "captured_otherwise",
    "reservation_without_job",
    "reservation_left_open",
    "reservation_ended_early",
]
_KINDS: dict[int, Any] = {
    number: name.removeprefix("KIND_").lower() for name, number in executor_pb2.Finding.Kind.items() if number
}


class Finding(msgspec.Struct, kw_only=True):
    """A job and a reservation that do not fit together. `job_credits`: what the job says was captured, or is to be;
    `ledger_credits`: what the ledger captured, or still holds."""

    kind: FindingKind
    account_id: str
    job_id: str
    tool: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    job_credits: Credits
    ledger_credits: Credits
    since: datetime
    advice: str


class FindingCount(msgspec.Struct):
    """How many findings there are of a kind; `cut_off`: there are more, which were not counted."""

    count: int
    cut_off: bool


class Reconciliation(msgspec.Struct):
    """What does not fit between jobs and reservations: at most 200 findings, the oldest first, and how many there are.

    Jobs that were settled until `compared_until` have been compared with what the ledger captured.
    """

    findings: list[Finding]
    counts: dict[FindingKind, FindingCount]
    ran_at: datetime
    compared_until: datetime


def of(message: executor_pb2.ReconcileJobsResponse) -> Reconciliation:
    """What a run found."""
    return Reconciliation(
        findings=[_finding(one) for one in message.findings],
        counts={_KINDS[one.kind]: FindingCount(one.count, one.cut_off) for one in message.counts},
        ran_at=time_of(message.ran_at),
        compared_until=time_of(message.compared_until),
    )


def _finding(message: executor_pb2.Finding) -> Finding:
    return Finding(
        kind=_KINDS[message.kind],
        account_id=message.account_id,
        job_id=message.job_id,
        tool=message.tool or UNSET,
        reason=message.reason or UNSET,
        job_credits=show(message.job_micros),
        ledger_credits=show(message.ledger_micros),
        since=time_of(message.since),
        advice=message.advice,
    )
