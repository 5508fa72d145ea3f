"""A second opinion: what a log's events mean, written from the protos alone, with every rule they must keep asserted.

Slow and plain; nothing of the ledger's own code is used.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from scrip.ledger.v1 import events_pb2 as pb

CREDIT = 0


@dataclass
class Grant:
    """Credits that came in together."""

    amount: int
    effective_at: int
    expires_at: int
    state: str = "live"
    available: int = 0
    reserved: int = 0


@dataclass
class Reservation:
    """Credits set aside; `holds` by number of the grant."""

    amount: int
    expires_at: int
    holds: Counter[int]
    captured: int = 0
    refunded: int = 0

    @property
    def reserved(self) -> int:
        """What it still holds."""
        return self.holds.total()


@dataclass
class Account:
    """One account after some of its events."""

    limit: int = 0
    state: str = "active"
    granted: int = 0
    available: int = 0
    reserved: int = 0
    spent: int = 0
    expired: int = 0
    voided: int = 0
    owed: int = 0
    on_credit: int = 0
    grants: dict[int, Grant] = field(default_factory=dict)
    reservations: dict[str, Reservation] = field(default_factory=dict)
    ended: dict[str, Reservation] = field(default_factory=dict)
    # By id: sent, completed or returned; and what came here.
    transfers: dict[str, str] = field(default_factory=dict)
    received: set[str] = field(default_factory=set)

    def credits(self) -> tuple[int, ...]:
        """granted, available, reserved, spent, expired, voided."""
        return (self.granted, self.available, self.reserved, self.spent, self.expired, self.voided)

    def next_deadline(self) -> int:
        """When something is due next; far ahead where nothing is."""
        times = [r.expires_at for r in self.reservations.values()]
        times += [g.effective_at for g in self.grants.values() if g.state == "scheduled"]
        times += [g.expires_at for g in self.grants.values() if g.state == "live" and g.expires_at]
        return min(times, default=1 << 62)

    def apply(self, event: Any, at: int) -> None:
        """The next event; AssertionError where it breaks a rule."""
        assert self.state != "closed", "nothing happens to a closed account"
        _APPLY[event.kind](self, event, at)
        assert (event.available_after_micros, event.reserved_after_micros) == (self.available, self.reserved)
        self.check()

    def check(self) -> None:
        """What holds after every event."""
        assert self.granted == self.available + self.reserved + self.spent + self.expired + self.voided
        assert self.available >= -self.limit
        assert self.owed >= 0
        assert self.on_credit >= 0
        live = sum(grant.available for grant in self.grants.values())
        assert self.available == live - self.owed - self.on_credit
        held = Counter[int]()
        for reservation in self.reservations.values():
            held.update(reservation.holds)
        assert self.reserved == held.total()
        assert held[CREDIT] == self.on_credit
        for number, grant in self.grants.items():
            assert grant.available >= 0
            assert grant.reserved == held[number]
            assert grant.available + grant.reserved <= grant.amount, f"grant {number} holds more than came in"

    def take(self, number: int, amount: int) -> None:
        """Takes available credits out of a grant that lives."""
        grant = self.grants[number]
        assert grant.state == "live"
        assert 0 < amount <= grant.available
        grant.available -= amount
        self.available -= amount

    def give(self, number: int, amount: int) -> None:
        """Puts credits back into a grant, a dead one too."""
        self.grants[number].available += amount
        self.available += amount

    def add(self, event: Any, at: int, amount: int) -> Grant:
        """A new grant, its number the next."""
        assert event.grant_number == len(self.grants) + 1
        grant = Grant(amount, event.effective_at, event.expires_at)
        self.grants[event.grant_number] = grant
        if event.effective_at > at:
            grant.state = "scheduled"
        else:
            self.give(event.grant_number, amount)
        return grant

    def open(self, reservation_id: str) -> Reservation:
        """A reservation that must be open."""
        assert reservation_id not in self.ended, f"{reservation_id} ended twice"
        return self.reservations[reservation_id]

    def end(self, reservation_id: str) -> None:
        """What a reservation still holds goes back to where it came from."""
        reservation = self.reservations.pop(reservation_id)
        self.ended[reservation_id] = reservation
        for number, held in reservation.holds.items():
            self.reserved -= held
            if number == CREDIT:
                self.on_credit -= held
                self.available += held
            elif held:
                self.grants[number].reserved -= held
                self.give(number, held)
        reservation.holds = Counter()


def parts(event: Any) -> Counter[int]:
    """How much an event moves from or to which grant; each stands once."""
    assert len(set(event.allocation_grants)) == len(event.allocation_grants)
    assert all(amount > 0 for amount in event.allocation_amounts_micros) or not event.amount_micros
    return Counter(dict(zip(event.allocation_grants, event.allocation_amounts_micros, strict=True)))


def _opened(account: Account, event: Any, at: int) -> None:
    account.limit = event.credit_limit_micros


def _granted(account: Account, event: Any, at: int) -> None:
    if account.add(event, at, event.amount_micros).state == "live":
        account.granted += event.amount_micros
    if event.transfer_id:
        assert event.transfer_id not in account.received, "a transfer arrives once"
        account.received.add(event.transfer_id)


def _effective(account: Account, event: Any, at: int) -> None:
    grant = account.grants[event.grant_number]
    assert grant.state == "scheduled"
    assert grant.effective_at <= at
    assert event.amount_micros == grant.amount
    grant.state = "live"
    account.granted += grant.amount
    account.give(event.grant_number, grant.amount)


def _expired(account: Account, event: Any, at: int) -> None:
    grant = account.grants[event.grant_number]
    assert 0 < grant.expires_at <= at
    account.expired += _died(account, event, "expired")


def _voided(account: Account, event: Any, at: int) -> None:
    account.voided += _died(account, event, "voided")


def _died(account: Account, event: Any, state: str) -> int:
    grant = account.grants[event.grant_number]
    # Again only for what came back to it.
    assert grant.state in {"live", "scheduled"} or (grant.state == state and event.amount_micros)
    assert event.amount_micros == grant.available
    account.available -= grant.available
    lapsed, grant.available, grant.state = grant.available, 0, state
    return lapsed


def _reserved(account: Account, event: Any, at: int) -> None:
    assert account.state == "active"
    assert event.reservation_id not in account.reservations | account.ended, "a reservation is made once"
    taken = parts(event)
    assert taken.total() == event.amount_micros
    for number, amount in taken.items():
        if number == CREDIT:
            account.on_credit += amount
            account.available -= amount
        else:
            account.take(number, amount)
            account.grants[number].reserved += amount
    account.reserved += event.amount_micros
    account.reservations[event.reservation_id] = Reservation(event.amount_micros, event.expires_at, taken)


def _extended(account: Account, event: Any, at: int) -> None:
    reservation = account.open(event.reservation_id)
    assert event.expires_at > reservation.expires_at
    reservation.expires_at = event.expires_at


def _captured(account: Account, event: Any, at: int) -> None:
    reservation = account.open(event.reservation_id)
    taken = parts(event)
    assert taken.total() == event.amount_micros
    held_before = reservation.reserved
    for number, amount in taken.items():
        held = min(reservation.holds[number], amount)
        reservation.holds[number] -= held
        account.reserved -= held
        if number == CREDIT:
            assert held == amount, "what is beyond the reservation is never on credit"
            account.on_credit -= held
            account.owed += held
        else:
            account.grants[number].reserved -= held
            if amount > held:
                account.take(number, amount - held)
    assert held_before - reservation.reserved == event.amount_micros - event.overage_micros
    account.spent += event.amount_micros
    reservation.captured += event.amount_micros
    assert reservation.captured == event.captured_total_micros
    if event.final:
        assert event.released_micros == reservation.reserved
        account.end(event.reservation_id)
    else:
        assert not event.released_micros


def _released(account: Account, event: Any, at: int) -> None:
    reservation = account.open(event.reservation_id)
    assert event.amount_micros == reservation.reserved
    assert +parts(event) == +reservation.holds
    account.end(event.reservation_id)


def _reservation_expired(account: Account, event: Any, at: int) -> None:
    assert account.open(event.reservation_id).expires_at <= at
    _released(account, event, at)


def _refused(account: Account, event: Any, at: int) -> None:
    assert event.reason == "INSUFFICIENT_CREDITS"
    assert event.amount_micros > account.available, "refused although there was enough"
    if event.reservation_id:
        assert event.amount_micros > account.available + account.limit


def _frozen(account: Account, event: Any, at: int) -> None:
    assert account.state == "active"
    account.state = "frozen"


def _unfrozen(account: Account, event: Any, at: int) -> None:
    assert account.state == "frozen"
    account.state = "active"


def _closed(account: Account, event: Any, at: int) -> None:
    assert not account.reserved
    assert not account.owed
    assert "sent" not in account.transfers.values()
    assert event.amount_micros == account.available
    account.voided += account.available
    account.available = 0
    for grant in account.grants.values():
        grant.available = 0
        grant.state = "voided"
    account.state = "closed"


def _limit_changed(account: Account, event: Any, at: int) -> None:
    account.limit = event.credit_limit_micros


def _refunded(account: Account, event: Any, at: int) -> None:
    reservation = (account.ended | account.reservations)[event.reservation_id]
    reservation.refunded += event.amount_micros
    assert reservation.refunded == event.refunded_total_micros
    assert reservation.refunded <= reservation.captured, "no more is refunded than was captured"
    account.spent -= event.amount_micros
    _given_back(account, event, at)


def _given_back(account: Account, event: Any, at: int) -> None:
    given = parts(event)
    for number, amount in given.items():
        if number == CREDIT:
            account.owed -= amount
            account.available += amount
        else:
            assert account.grants[number].state == "live", "what comes back goes to grants that live"
            account.give(number, amount)
    rest = event.amount_micros - given.total()
    assert rest >= 0
    assert bool(rest) == bool(event.grant_number)
    if rest:
        account.add(event, at, rest)


def _reduced(account: Account, event: Any, at: int) -> None:
    taken = parts(event)
    assert taken.total() == event.amount_micros
    for number, amount in taken.items():
        account.take(number, amount)
    account.voided += event.amount_micros


def _sent(account: Account, event: Any, at: int) -> None:
    assert account.state == "active"
    assert event.transfer_id not in account.transfers
    account.transfers[event.transfer_id] = "sent"
    _reduced(account, event, at)


def _completed(account: Account, event: Any, at: int) -> None:
    assert account.transfers[event.transfer_id] == "sent", "a transfer ends once"
    account.transfers[event.transfer_id] = "completed"


def _returned(account: Account, event: Any, at: int) -> None:
    assert account.transfers[event.transfer_id] == "sent", "a transfer ends once"
    account.transfers[event.transfer_id] = "returned"
    account.voided -= event.amount_micros
    _given_back(account, event, at)


def _repaid(account: Account, event: Any, at: int) -> None:
    for number, amount in parts(event).items():
        account.take(number, amount)
        account.owed -= amount
        account.available += amount


def _rejected(account: Account, event: Any, at: int) -> None:
    assert event.transfer_id not in account.received


_APPLY = {
    pb.EVENT_KIND_ACCOUNT_OPENED: _opened,
    pb.EVENT_KIND_CREDITS_GRANTED: _granted,
    pb.EVENT_KIND_GRANT_EXPIRED: _expired,
    pb.EVENT_KIND_CREDITS_RESERVED: _reserved,
    pb.EVENT_KIND_RESERVATION_EXTENDED: _extended,
    pb.EVENT_KIND_RESERVATION_CAPTURED: _captured,
    pb.EVENT_KIND_RESERVATION_RELEASED: _released,
    pb.EVENT_KIND_RESERVATION_EXPIRED: _reservation_expired,
    pb.EVENT_KIND_REQUEST_REFUSED: _refused,
    pb.EVENT_KIND_ACCOUNT_FROZEN: _frozen,
    pb.EVENT_KIND_ACCOUNT_UNFROZEN: _unfrozen,
    pb.EVENT_KIND_ACCOUNT_CLOSED: _closed,
    pb.EVENT_KIND_CREDIT_LIMIT_CHANGED: _limit_changed,
    pb.EVENT_KIND_GRANT_EFFECTIVE: _effective,
    pb.EVENT_KIND_GRANT_VOIDED: _voided,
    pb.EVENT_KIND_CAPTURE_REFUNDED: _refunded,
    pb.EVENT_KIND_BALANCE_REDUCED: _reduced,
    pb.EVENT_KIND_TRANSFER_SENT: _sent,
    pb.EVENT_KIND_TRANSFER_COMPLETED: _completed,
    pb.EVENT_KIND_TRANSFER_RETURNED: _returned,
    pb.EVENT_KIND_CREDIT_REPAID: _repaid,
    pb.EVENT_KIND_TRANSFER_REJECTED: _rejected,
}
