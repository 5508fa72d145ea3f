"""What became of a grant, told from its own events alone; what is left of one that lives, only memory tells."""

from collections.abc import Iterable

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.domain.account import Grant, GrantState

# Events that make a grant. A refund and a returned transfer do where grants they came from are dead: for the rest.
MAKING_KINDS = (pb.EVENT_KIND_CREDITS_GRANTED, pb.EVENT_KIND_CAPTURE_REFUNDED, pb.EVENT_KIND_TRANSFER_RETURNED)
ENDING_KINDS = (pb.EVENT_KIND_GRANT_EXPIRED, pb.EVENT_KIND_GRANT_VOIDED)


def made_by(event: pb.Event, at: int) -> Grant:
    """The grant as the event recorded at `at` made it."""
    amount = event.amount_micros
    if event.kind != pb.EVENT_KIND_CREDITS_GRANTED:
        amount -= sum(event.allocation_amounts_micros)
    scheduled = event.effective_at > at
    return Grant(
        number=event.grant_number,
        grant_id=event.grant_id,
        amount=amount,
        available=0 if scheduled else amount,
        reserved=0,
        source=event.source,
        priority=event.priority,
        effective_at=event.effective_at,
        expires_at=event.expires_at,
        created_at=at,
        state=GrantState.SCHEDULED if scheduled else GrantState.LIVE,
    )


def ending_of(events: Iterable[pb.Event]) -> GrantState | None:
    """How a grant died, from its own events; None where none of them says."""
    for event in events:
        if event.kind == pb.EVENT_KIND_GRANT_EXPIRED:
            return GrantState.EXPIRED
        if event.kind == pb.EVENT_KIND_GRANT_VOIDED:
            return GrantState.VOIDED
    return None
