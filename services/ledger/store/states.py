"""Accounts as messages of a snapshot, and back. Equal accounts give equal messages.

What follows from the rest (burn order, deadlines) is derived; what belongs to a batch in hand is left out.
"""

from scrip.ledger.v1 import snapshot_pb2

from services.ledger.domain.account import (
    NO_MORE,
    Account,
    AccountState,
    Grant,
    GrantState,
    More,
    Reservation,
    Transfer,
    deadlines_of,
    reservations_by_id,
)


def fill_account(message: snapshot_pb2.SnapshotAccount, account: Account) -> None:
    """Writes an account into an empty message."""
    message.account_id = account.account_id
    message.created_at = account.created_at
    # The stubs want classes of their own.
    message.state = account.state  # type: ignore[assignment]
    message.credit_limit_micros = account.credit_limit
    message.granted_micros = account.granted
    message.available_micros = account.available
    message.reserved_micros = account.reserved
    message.spent_micros = account.spent
    message.expired_micros = account.expired
    message.voided_micros = account.voided
    message.owed_micros = account.owed
    message.on_credit_micros = account.on_credit
    message.transferred_in_micros = account.more.transferred_in
    message.transferred_out_micros = account.more.transferred_out
    message.grants_made = account.grants_made
    for grant in account.grants:
        _fill_grant(message.grants.add(), grant)
    for reservation in sorted(account.open_reservations.values(), key=_by_age):
        _fill_reservation(message.reservations.add(), reservation)
    for reservation_id, refunded in sorted(account.refunds.items()):
        message.refunds.add(reservation_id=reservation_id, refunded_micros=refunded)
    for transfer_id in sorted(account.transfers):
        _fill_transfer(message.transfers.add(), account.transfers[transfer_id])
    for transfer_id, taken_in in sorted(account.received.items()):
        (message.received if taken_in else message.rejected).append(transfer_id)


def _by_age(reservation: Reservation) -> tuple[int, str]:
    return reservation.created_at, reservation.reservation_id


def _fill_grant(message: snapshot_pb2.SnapshotGrant, grant: Grant) -> None:
    message.number = grant.number
    message.grant_id = grant.grant_id
    message.amount_micros = grant.amount
    message.available_micros = grant.available
    message.reserved_micros = grant.reserved
    message.source = grant.source  # type: ignore[assignment]
    message.priority = grant.priority
    message.effective_at = grant.effective_at
    message.expires_at = grant.expires_at
    message.created_at = grant.created_at
    message.state = grant.state  # type: ignore[assignment]


def _fill_reservation(message: snapshot_pb2.SnapshotReservation, reservation: Reservation) -> None:
    message.reservation_id = reservation.reservation_id
    message.amount_micros = reservation.amount
    message.reserved_micros = reservation.reserved
    message.captured_micros = reservation.captured
    message.shortfall_micros = reservation.shortfall
    message.expires_at = reservation.expires_at
    message.created_at = reservation.created_at
    message.remember_until = reservation.remember_until
    message.hold_grants.extend(number for number, _ in reservation.holds)
    message.hold_amounts_micros.extend(held for _, held in reservation.holds)


def _fill_transfer(message: snapshot_pb2.SnapshotTransfer, transfer: Transfer) -> None:
    message.transfer_id = transfer.transfer_id
    message.to_account_id = transfer.to_account_id
    message.amount_micros = transfer.amount
    message.expires_at = transfer.expires_at
    message.created_at = transfer.created_at
    message.part_grants.extend(number for number, _ in transfer.parts)
    message.part_amounts_micros.extend(part for _, part in transfer.parts)


def account_of(message: snapshot_pb2.SnapshotAccount) -> Account:
    """The account that a message holds."""
    account = Account(
        account_id=message.account_id,
        created_at=message.created_at,
        state=AccountState(message.state),
        granted=message.granted_micros,
        available=message.available_micros,
        reserved=message.reserved_micros,
        spent=message.spent_micros,
        expired=message.expired_micros,
        voided=message.voided_micros,
        grants_made=message.grants_made,
        grants=tuple(_grant_of(grant) for grant in message.grants),
        open_reservations=reservations_by_id(map(_reservation_of, message.reservations)),
    )
    more = _more_of(message)
    if more != NO_MORE:
        account.more = more
    account.order_grants()
    account.deadlines = deadlines_of(account) or None
    return account


def _more_of(message: snapshot_pb2.SnapshotAccount) -> More:
    received = dict.fromkeys(message.received, True) | dict.fromkeys(message.rejected, False)
    return More(
        credit_limit=message.credit_limit_micros,
        owed=message.owed_micros,
        on_credit=message.on_credit_micros,
        transferred_in=message.transferred_in_micros,
        transferred_out=message.transferred_out_micros,
        refunds={refund.reservation_id: refund.refunded_micros for refund in message.refunds} or None,
        transfers={transfer.transfer_id: _transfer_of(transfer) for transfer in message.transfers} or None,
        received=received or None,
    )


def _grant_of(message: snapshot_pb2.SnapshotGrant) -> Grant:
    return Grant(
        number=message.number,
        grant_id=message.grant_id,
        amount=message.amount_micros,
        available=message.available_micros,
        reserved=message.reserved_micros,
        source=message.source,
        priority=message.priority,
        effective_at=message.effective_at,
        expires_at=message.expires_at,
        created_at=message.created_at,
        state=GrantState(message.state),
    )


def _reservation_of(message: snapshot_pb2.SnapshotReservation) -> Reservation:
    return Reservation(
        reservation_id=message.reservation_id,
        amount=message.amount_micros,
        reserved=message.reserved_micros,
        expires_at=message.expires_at,
        created_at=message.created_at,
        holds=tuple(zip(message.hold_grants, message.hold_amounts_micros, strict=True)),
        remember_until=message.remember_until,
        captured=message.captured_micros,
        shortfall=message.shortfall_micros,
    )


def _transfer_of(message: snapshot_pb2.SnapshotTransfer) -> Transfer:
    return Transfer(
        transfer_id=message.transfer_id,
        to_account_id=message.to_account_id,
        amount=message.amount_micros,
        expires_at=message.expires_at,
        created_at=message.created_at,
        parts=tuple(zip(message.part_grants, message.part_amounts_micros, strict=True)),
    )
