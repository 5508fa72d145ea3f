"""What must hold of a shard at every position, and against the model."""

from collections import Counter

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.application.shard import Shard
from services.ledger.application.upkeep.parts import parts_of
from services.ledger.domain.account import CREDIT, Account, GrantState
from services.ledger.domain.books import books_of
from services.ledger.domain.evolve import evolve
from services.ledger.domain.postings import Book as Ends
from services.ledger.domain.postings import postings
from services.ledger.store.log import Commit
from tests.ledger.domain import model_account
from tests.ledger.domain.book import events_of
from tests.ledger.domain.model import Model
from tests.ledger.domain.model_account import Thing
from tests.ledger.ledgers import state

# Events whose parts are all of their amount; of what comes back, a part may be a new grant.
PARTED = (
    pb.EVENT_KIND_CREDITS_RESERVED,
    pb.EVENT_KIND_RESERVATION_CAPTURED,
    pb.EVENT_KIND_RESERVATION_RELEASED,
    pb.EVENT_KIND_RESERVATION_EXPIRED,
    pb.EVENT_KIND_ACCOUNT_CLOSED,
    pb.EVENT_KIND_BALANCE_REDUCED,
    pb.EVENT_KIND_TRANSFER_SENT,
    pb.EVENT_KIND_CREDIT_REPAID,
)
ENDINGS = (pb.EVENT_KIND_RESERVATION_RELEASED, pb.EVENT_KIND_RESERVATION_EXPIRED)


def canonical(shard: Shard) -> tuple[object, ...]:
    """All that a shard's memory says, to the byte; whoever may send is a set that may be too large, never too small."""
    senders = {account.account_id for account in shard.accounts.values() if account.transfers}
    assert senders <= shard.senders
    return state(shard), b"".join(parts_of(shard))


def compare(shard: Shard, model: Model) -> None:
    """Every account is what the model says: amounts, grants, reservations, transfers."""
    assert shard.accounts.keys() == model.accounts.keys()
    for account_id, account in shard.accounts.items():
        assert told(account) == expected(model.accounts[account_id])


def told(a: Account) -> Thing:
    """What an account says."""
    ids = {grant.number: grant.grant_id for grant in a.grants} | {CREDIT: "credit"}
    names = ("granted", "available", "reserved", "spent", "expired", "voided")
    return {
        "state": a.state.name,
        "limit": a.credit_limit,
        "amounts": {name: getattr(a, name) for name in names},
        "credit": (a.owed, a.on_credit),
        "grants": {g.grant_id: (g.state.name, g.amount, g.available, g.reserved) for g in a.grants},
        "reservations": {
            r.reservation_id: (
                r.amount,
                r.captured,
                r.expires_at,
                {ids[number]: part for number, part in r.holds if part},
            )
            for r in a.open_reservations.values()
        },
        "under way": {transfer.transfer_id: transfer.amount for transfer in a.transfers.values()},
        "arrived": a.received,
    }


def expected(a: Thing) -> Thing:
    """What the model says of it."""
    return {
        "state": a["state"],
        "limit": a["limit"],
        "amounts": model_account.amounts(a),
        "credit": (a["owed"], model_account.on_credit(a)),
        "grants": {
            g["id"]: (g["state"], g["amount"], g["available"], model_account.reserved_of(a, g))
            for g in a["grants"]
            if model_account.usable_or_pinned(a, g)
        },
        "reservations": {
            reservation_id: (
                r["amount"],
                r["captured"],
                r["expires"],
                {grant["id"] if grant else "credit": part for grant, part in r["holds"] if part},
            )
            for reservation_id, r in a["reservations"].items()
        },
        "under way": {transfer: sum(part for _, part in parts) for transfer, parts in a["under_way"].items()},
        "arrived": a["arrived"],
    }


class Follower:
    """Folds a log event by event, and checks what must hold after each."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.books = dict.fromkeys(Ends, 0)
        self.next_position = 1
        self.kinds: Counter[int] = Counter()
        self._made: set[tuple[str, str]] = set()
        self._ended: set[tuple[str, str]] = set()

    def follow(self, commit: Commit) -> None:
        """Checks every position of a commit, and its end."""
        assert commit.first_position == self.next_position
        for event in events_of(commit):
            self._follow(event, commit.at)
            self.next_position += 1
        assert self.next_position == commit.first_position + commit.n
        for account in self.accounts.values():
            # What is owed is paid as far as it can be, and what came back to dead grants lapsed, in the same commit.
            assert not (account.owed and account.burn)
            for grant in account.grants:
                assert grant.state in (GrantState.LIVE, GrantState.SCHEDULED) or grant.reserved > grant.available == 0

    def _follow(self, event: pb.Event, at: int) -> None:
        for posting in postings(event, at):
            assert posting.amount > 0
            self.books[posting.source] -= posting.amount
            self.books[posting.target] += posting.amount
        _check_parts(self.accounts.get(event.account_id), event)
        account = evolve(self.accounts.get(event.account_id), event, at)
        self.accounts[event.account_id] = account
        self.kinds[event.kind] += 1
        assert (event.available_after_micros, event.reserved_after_micros) == (account.available, account.reserved)
        check_account(account)
        # Granted, spent, expired, voided and in transit follow from the postings as well.
        assert self.books == books_of(self.accounts.values())
        assert sum(self.books.values()) == 0
        self._check_endings(event)

    def _check_endings(self, event: pb.Event) -> None:
        """A reservation is made once and ends once."""
        which = (event.account_id, event.reservation_id)
        if event.kind == pb.EVENT_KIND_CREDITS_RESERVED:
            assert which not in self._made
            self._made.add(which)
        elif event.kind in ENDINGS or event.final:
            assert which in self._made - self._ended
            self._ended.add(which)


def _check_parts(before: Account | None, event: pb.Event) -> None:
    """What an event says of grants comes to its amounts; a final capture gives back all that it leaves."""
    taken = dict(zip(event.allocation_grants, event.allocation_amounts_micros, strict=True))
    returned = dict(zip(event.released_grants, event.released_amounts_micros, strict=True))
    assert len(taken) == len(event.allocation_grants)
    assert sum(returned.values()) == event.released_micros
    if event.kind in PARTED:
        assert sum(taken.values()) == event.amount_micros
    if before is not None and event.final:
        holds = dict(before.open_reservations[event.reservation_id].holds)
        if event.released_micros:
            assert returned == {number: held - taken.get(number, 0) for number, held in holds.items()
                                if held > taken.get(number, 0)}  # fmt: skip
        assert event.overage_micros == max(event.amount_micros - sum(holds.values()), 0)


def check_account(a: Account) -> None:
    """The money equation, and that each total is the sum of its parts."""
    assert a.granted == a.available + a.reserved + a.spent + a.expired + a.voided
    assert a.available >= -a.credit_limit
    assert min(a.granted, a.reserved, a.spent, a.expired, a.voided, a.owed, a.on_credit) >= 0
    assert a.available == sum(grant.available for grant in a.grants) - a.owed - a.on_credit
    assert a.reserved == sum(grant.reserved for grant in a.grants) + a.on_credit
    assert a.reserved == sum(reservation.reserved for reservation in a.open_reservations.values())
    for grant in a.grants:
        assert grant.available >= 0
        assert grant.reserved >= 0
        assert grant.available + grant.reserved <= grant.amount
    for reservation in a.open_reservations.values():
        assert sum(held for _, held in reservation.holds) == reservation.reserved
