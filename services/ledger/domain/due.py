"""What time and the ledger's own rules lead to, without a command."""

from heapq import heappop

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.domain.account import Account, Grant, GrantState, Reservation
from services.ledger.domain.allocations import take_available, take_held
from services.ledger.domain.commands import Cause
from services.ledger.domain.decide.events import event_of

_BY_TIME: Cause = {"actor": "time"}
_BY_RULE: Cause = {"actor": "ledger"}


def due(account: Account, at: int) -> pb.Event | None:
    """The next event that is due (`expires_at ≤ at`) and not yet there; None when there is none.

    Takes deadlines that no longer hold off the account's heap; the one it answers stays until its event is applied.
    """
    if account.lapsing:
        return _lapse(account, account.lapsing[-1])
    # Before what lapses: a grant that began pays, however late it is looked for.
    if account.owed and account.burn:
        return _repay(account)
    deadlines = account.deadlines
    while deadlines and deadlines[0][0] <= at:
        moment, number, reservation_id = deadlines[0]
        if number:
            grant = account.find_grant(number)
            if grant is not None and grant.next_deadline() == moment:
                return _begin(account, grant) if grant.state is GrantState.SCHEDULED else _lapse(account, grant)
        else:
            reservation = account.open_reservations.get(reservation_id)
            if reservation is not None and reservation.expires_at == moment:
                return _expire(account, reservation)
        heappop(deadlines)
    return None


def _begin(account: Account, grant: Grant) -> pb.Event:
    return event_of(
        account,
        pb.EVENT_KIND_GRANT_EFFECTIVE,
        _BY_TIME,
        available_change=grant.amount,
        grant_id=grant.grant_id,
        grant_number=grant.number,
        amount_micros=grant.amount,
    )


def _lapse(account: Account, grant: Grant) -> pb.Event:
    """A live grant expires; what came back to a dead one goes the way the grant went."""
    voided = grant.state is GrantState.VOIDED
    return event_of(
        account,
        pb.EVENT_KIND_GRANT_VOIDED if voided else pb.EVENT_KIND_GRANT_EXPIRED,
        _BY_RULE if voided else _BY_TIME,
        available_change=-grant.available,
        grant_id=grant.grant_id,
        grant_number=grant.number,
        amount_micros=grant.available,
    )


def _expire(account: Account, reservation: Reservation) -> pb.Event:
    numbers, amounts = take_held(reservation, reservation.reserved)
    return event_of(
        account,
        pb.EVENT_KIND_RESERVATION_EXPIRED,
        _BY_TIME,
        available_change=reservation.reserved,
        reserved_change=-reservation.reserved,
        reservation_id=reservation.reservation_id,
        amount_micros=reservation.reserved,
        allocation_grants=numbers,
        allocation_amounts_micros=amounts,
    )


def _repay(account: Account) -> pb.Event:
    """What was spent on credit is paid by the grants that would burn next."""
    numbers, amounts = take_available(account, min(account.owed, sum(grant.available for grant in account.burn)))
    return event_of(
        account,
        pb.EVENT_KIND_CREDIT_REPAID,
        _BY_RULE,
        amount_micros=sum(amounts),
        allocation_grants=numbers,
        allocation_amounts_micros=amounts,
    )
