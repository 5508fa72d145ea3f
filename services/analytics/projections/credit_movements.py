"""credit_movements: one row per ledger event that moves credits."""

import json
from collections.abc import Mapping
from typing import Any

import psycopg
from scrip.ledger.v1.events_pb2 import Event, EventKind

from services.analytics.commits import Commit
from services.runtime import clock

# The analyst's word for each kind; None: it moves no credits of its account and has no row. The statements of the
# HTTP API use the same words.
WORDS: Mapping[int, str | None] = {
    EventKind.EVENT_KIND_ACCOUNT_OPENED: None,
    EventKind.EVENT_KIND_CREDITS_GRANTED: "granted",
    EventKind.EVENT_KIND_GRANT_EXPIRED: "grant_expired",
    EventKind.EVENT_KIND_CREDITS_RESERVED: "reserved",
    EventKind.EVENT_KIND_RESERVATION_EXTENDED: None,
    EventKind.EVENT_KIND_RESERVATION_CAPTURED: "captured",
    EventKind.EVENT_KIND_RESERVATION_RELEASED: "released",
    EventKind.EVENT_KIND_RESERVATION_EXPIRED: "reservation_expired",
    EventKind.EVENT_KIND_REQUEST_REFUSED: None,
    EventKind.EVENT_KIND_ACCOUNT_FROZEN: None,
    EventKind.EVENT_KIND_ACCOUNT_UNFROZEN: None,
    EventKind.EVENT_KIND_ACCOUNT_CLOSED: "closed",
    EventKind.EVENT_KIND_CREDIT_LIMIT_CHANGED: None,
    EventKind.EVENT_KIND_GRANT_EFFECTIVE: "grant_effective",
    EventKind.EVENT_KIND_GRANT_VOIDED: "grant_voided",
    EventKind.EVENT_KIND_CAPTURE_REFUNDED: "refunded",
    EventKind.EVENT_KIND_BALANCE_REDUCED: "reduced",
    EventKind.EVENT_KIND_TRANSFER_SENT: "transfer_sent",
    EventKind.EVENT_KIND_TRANSFER_COMPLETED: None,
    EventKind.EVENT_KIND_TRANSFER_RETURNED: "transfer_returned",
    EventKind.EVENT_KIND_CREDIT_REPAID: None,
    EventKind.EVENT_KIND_TRANSFER_REJECTED: None,
}
# What these withdraw may be nothing.
_MAY_BE_EMPTY = frozenset({EventKind.EVENT_KIND_ACCOUNT_CLOSED, EventKind.EVENT_KIND_GRANT_VOIDED})
_COPY = (
    "COPY analytics.movement (shard, n, recorded_at, account_id, kind, amount_micros, available_after_micros,"
    " reserved_after_micros, grant_id, reservation_id, tool, tool_version, price_version, reference, labels, trace_id)"
    " FROM STDIN"
)


class CreditMovements:
    """The rows of some commits of one ledger shard."""

    kinds = frozenset(WORDS)

    def __init__(self, shard: int) -> None:
        self._shard = shard
        self.rows: list[tuple[Any, ...]] = []

    def add(self, commit: Commit) -> None:
        """One row per event that moves credits; what an event does not say is null."""
        at = clock.to_us(commit.recorded_at)
        for number, event in enumerate(commit.events, start=commit.first_position):
            word = WORDS[event.kind]
            if word is None or _moves_nothing(event, at):
                continue
            self.rows.append(
                (
                    self._shard,
                    number,
                    commit.recorded_at,
                    event.account_id,
                    word,
                    event.amount_micros,
                    event.available_after_micros,
                    event.reserved_after_micros,
                    event.grant_id or None,
                    event.reservation_id or None,
                    event.tool or None,
                    event.tool_version or None,
                    event.price_version or None,
                    _storable(event.reference) or None,
                    _labels(event.labels),
                    event.trace_id or None,
                )
            )

    async def write(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Copies the rows in; a position that is there already fails the transaction."""
        if not self.rows:
            return
        async with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            for row in self.rows:
                await copy.write_row(row)


def _moves_nothing(event: Event, at: int) -> bool:
    """A grant for later comes in as `grant_effective`; a grant or account that was empty leaves without a trace."""
    if event.kind == EventKind.EVENT_KIND_CREDITS_GRANTED:
        return event.effective_at > at
    return event.kind in _MAY_BE_EMPTY and not event.amount_micros


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return "{}"
    return json.dumps({_storable(name): _storable(value) for name, value in sorted(labels.items())})


def _storable(text: str) -> str:
    """PostgreSQL's text and jsonb take no NUL character; callers' own texts may hold one."""
    return text.replace("\0", "�") if "\0" in text else text
