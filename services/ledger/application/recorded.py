"""The first answer of a request id, read back from the log for its replay."""

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.application.shard import Answer, BrokenChainError, Refused, Result, insufficient
from services.ledger.domain.account import Account, Grant
from services.ledger.domain.events import AccountOpened, CreditsGranted, RequestRefused
from services.ledger.store import codec


def batch(body: bytes) -> pb.EventBatch:
    """The events of a stored commit."""
    return pb.EventBatch.FromString(body)


def answer(batch: pb.EventBatch, index: int) -> Result:
    """The answer that event `index` of a commit stood for."""
    event = codec.decode(batch.events[index])
    position = batch.first_position + index
    at = batch.recorded_at.ToMicroseconds()
    match event:
        case RequestRefused():
            return Refused(insufficient(event))
        case AccountOpened():
            return Answer(Account(event.account_id, at), True, position)
        case CreditsGranted():
            return Answer(_as_granted(event, at), True, position)
        case _:
            raise BrokenChainError(f"commit {batch.seq} does not hold the answer its request id points to")


def _as_granted(event: CreditsGranted, at: int) -> Grant:
    return Grant(
        number=event.grant_number,
        grant_id=event.grant_id,
        amount=event.amount,
        available=event.amount,
        reserved=0,
        source=event.source,
        priority=event.priority,
        effective_at=event.effective_at,
        expires_at=event.expires_at,
        created_at=at,
        paid_amount=event.paid_amount,
        paid_currency=event.paid_currency,
        reference=event.cause.reference,
    )
