"""What the bench's own look through the log finds, where there is something to find."""

from collections.abc import Callable

import psycopg
import pytest
from scrip.ledger.v1 import events_pb2 as pb

from bench.ledger import engine
from bench.ledger.commands import Author, new_id
from bench.ledger.record import Faults, Record, compare, examine
from tests.harness.databases import Databases

RESERVED, CAPTURED = pb.EVENT_KIND_CREDITS_RESERVED, pb.EVENT_KIND_RESERVATION_CAPTURED
GRANTED = pb.EVENT_KIND_CREDITS_GRANTED


def event(kind: pb.EventKind, request_id: str, amount: int, available: int, reserved: int) -> pb.Event:
    return pb.Event(
        kind=kind,
        account_id="acme",
        request_id=request_id,
        reservation_id="" if kind == GRANTED else "r",
        amount_micros=amount,
        available_after_micros=available,
        reserved_after_micros=reserved,
    )


def history() -> tuple[list[pb.Event], Record]:
    """Ten granted, three reserved, two of them captured; as it was told."""
    record = Record(granted={"acme": 10})
    record.tell("reserve", RESERVED, "acme", "r", 3)
    record.tell("capture", CAPTURED, "acme", "r", 2)
    events = [
        event(GRANTED, "grant", 10, 10, 0),
        event(RESERVED, "reserve", 3, 7, 3),
        event(CAPTURED, "capture", 2, 8, 0),
    ]
    return events, record


def found(faults: Faults) -> set[str]:
    return {name for name in ("lost", "double", "negative", "inconsistent") if getattr(faults, name)}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda _events: None, set()),
        (lambda events: events.pop(1), {"lost"}),
        (lambda events: events.insert(1, events[1]), {"double"}),
        (lambda events: events.insert(2, event(RESERVED, "other", 3, 4, 6)), {"double"}),
        (lambda events: events.insert(2, event(GRANTED, "other", 0, -1, 0)), {"negative"}),
        (lambda events: events.__setitem__(1, event(RESERVED, "reserve", 4, 6, 4)), {"inconsistent"}),
        (lambda events: events.__setitem__(2, event(CAPTURED, "capture", 2, 9, 0)), {"inconsistent"}),
    ],
    ids=["nothing", "lost", "request twice", "reservation twice", "below zero", "other amount", "other balance"],
)
def test_a_fault_is_found(change: Callable[[list[pb.Event]], object], expected: set[str]) -> None:
    """Each kind of fault is found, and nothing is where there is none."""
    events, record = history()
    change(events)
    faults = Faults()
    compare(events, record, faults)
    assert found(faults) == expected


async def test_a_changed_log_is_found(databases: Databases) -> None:
    """The log of a real ledger has no fault until one byte of it is changed."""
    database = databases.create("ledger")
    record = Record(granted={"acme": 10})
    async with engine.opened(database.dsn) as ledger:
        author, reservation_id = Author(), new_id()
        await ledger.execute([author.open("acme"), author.grant("acme", 10)])
        for kind, command in (
            (RESERVED, author.reserve("acme", reservation_id)),
            (CAPTURED, author.capture("acme", reservation_id)),
        ):
            await ledger.execute([command])
            record.tell(command.cause["request_id"], kind, "acme", reservation_id, 1)
    assert found(examine(database.owner_dsn, record)) == set()
    with psycopg.connect(database.owner_dsn, autocommit=True) as connection:
        connection.execute("UPDATE log SET at = at + interval '1 us' WHERE seq = 1")
    assert found(examine(database.owner_dsn, record)) == {"inconsistent"}
    databases.drop(database)
