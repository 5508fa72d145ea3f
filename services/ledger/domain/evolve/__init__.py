"""Applies an event to its account. Total: it never refuses and never decides, live and on replay alike.

What an event changes is saved in the journal first, where one is given, so that a batch can be undone.
"""

from collections.abc import Callable

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.domain.account import Account, More
from services.ledger.domain.evolve import accounts, grants, reservations, transfers
from services.ledger.domain.journal import Journal


class UnknownEventError(Exception):
    """The log holds a kind of event this program does not know: it must not go on folding."""


def evolve(account: Account | None, event: pb.Event, at: int, journal: Journal | None = None) -> Account:
    """The account after an event recorded at `at`; changed in place. Raises UnknownEventError, and nothing else."""
    kind = event.kind
    if account is None:
        if kind != pb.EVENT_KIND_ACCOUNT_OPENED:
            raise UnknownEventError(f"the log names account {event.account_id} before it was opened")
        account = Account(event.account_id, at)
        if event.credit_limit_micros:
            account.more = More(event.credit_limit_micros)
        if journal:
            account.epoch = journal.epoch
        return account
    apply = _APPLY.get(kind)
    if apply is None:
        raise UnknownEventError(f"event kind {kind} of account {event.account_id}")
    if journal and account.epoch != journal.epoch:
        journal.account(account)
    apply(account, event, at, journal)
    return account


def _nothing(account: Account, event: pb.Event, at: int, journal: Journal | None) -> None:
    pass


_APPLY: dict[int, Callable[[Account, pb.Event, int, Journal | None], None]] = {
    pb.EVENT_KIND_ACCOUNT_OPENED: _nothing,
    pb.EVENT_KIND_CREDITS_GRANTED: grants.granted,
    pb.EVENT_KIND_GRANT_EXPIRED: grants.expired,
    pb.EVENT_KIND_CREDITS_RESERVED: reservations.reserved,
    pb.EVENT_KIND_RESERVATION_EXTENDED: reservations.extended,
    pb.EVENT_KIND_RESERVATION_CAPTURED: reservations.captured,
    pb.EVENT_KIND_RESERVATION_RELEASED: reservations.released,
    pb.EVENT_KIND_RESERVATION_EXPIRED: reservations.released,
    pb.EVENT_KIND_REQUEST_REFUSED: _nothing,
    pb.EVENT_KIND_ACCOUNT_FROZEN: accounts.frozen,
    pb.EVENT_KIND_ACCOUNT_UNFROZEN: accounts.unfrozen,
    pb.EVENT_KIND_ACCOUNT_CLOSED: accounts.closed,
    pb.EVENT_KIND_CREDIT_LIMIT_CHANGED: accounts.limit_changed,
    pb.EVENT_KIND_GRANT_EFFECTIVE: grants.effective,
    pb.EVENT_KIND_GRANT_VOIDED: grants.voided,
    pb.EVENT_KIND_CAPTURE_REFUNDED: grants.refunded,
    pb.EVENT_KIND_BALANCE_REDUCED: grants.reduced,
    pb.EVENT_KIND_TRANSFER_SENT: transfers.sent,
    pb.EVENT_KIND_TRANSFER_COMPLETED: transfers.completed,
    pb.EVENT_KIND_TRANSFER_RETURNED: transfers.returned,
    pb.EVENT_KIND_CREDIT_REPAID: accounts.repaid,
    pb.EVENT_KIND_TRANSFER_REJECTED: transfers.rejected,
}
