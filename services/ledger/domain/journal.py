"""What a batch changed, as it was before: undoing is putting back, exactly, whatever the events were.

Each object is saved when it is first touched after a mark; reverting goes backwards through what was saved. So a batch
that lost its race costs what it touched, and an atomic group within a batch can be taken back by itself.
"""

from typing import Any

from services.ledger.domain.account import Account, Allocation, Grant, GrantState, Reservation, ReservationState

_Undo = tuple[Any, ...]


class Journal:
    """The undo log of one shard's batch."""

    __slots__ = ("_undo", "epoch")

    def __init__(self) -> None:
        # Objects saved in this epoch need not be saved again; a mark begins the next.
        self.epoch = 1
        self._undo: list[_Undo] = []

    def mark(self) -> int:
        """A place to which `revert` can go back."""
        self.epoch += 1
        return len(self._undo)

    def forget(self) -> None:
        """The batch is durable: nothing of it will be undone."""
        self.epoch += 1
        self._undo.clear()

    def account(self, a: Account) -> None:
        """Saves an account's own fields."""
        a.epoch = self.epoch
        self._undo.append(
            (_put_account, a, a.available, a.reserved, a.spent, a.granted, a.expired, a.voided, a.state, a.grants_made,
             a.grants, a.burn, a.open_reservations, a.more)
        )  # fmt: skip

    def grant(self, account: Account, g: Grant) -> None:
        """Saves a grant."""
        g.epoch = self.epoch
        self._undo.append((_put_grant, account, g, g.state, g.available, g.reserved))

    def reservation(self, account: Account, r: Reservation) -> None:
        """Saves a reservation."""
        r.epoch = self.epoch
        totals = (r.reserved, r.captured, r.released, r.shortfall, r.expires_at, r.ended_at)
        self._undo.append((_put_reservation, account, r, r.state, totals, r.holds))

    def member(self, account: Account, things: dict[Any, Any], key: object) -> None:
        """Saves what a mapping of the account holds under a key, or that it holds nothing."""
        self._undo.append((_put_member, account, things, key, things.get(key)))

    def revert(self, mark: int = 0) -> set[str]:
        """Puts back everything since the mark; answers the accounts that were touched."""
        touched: set[str] = set()
        while len(self._undo) > mark:
            put, account, *saved = self._undo.pop()
            put(account, *saved)
            touched.add(account.account_id)
        self.epoch += 1
        return touched


def _put_account(a: Account, *saved: Any) -> None:
    a.available, a.reserved, a.spent, a.granted, a.expired, a.voided, a.state, a.grants_made, *others = saved
    a.grants, a.burn, a.open_reservations, a.more = others


def _put_grant(account: Account, g: Grant, state: GrantState, available: int, reserved: int) -> None:
    g.state, g.available, g.reserved = state, available, reserved
    # Its deadline may have been taken off the heap; one that is there twice, or no longer holds, is passed over.
    if deadline := g.next_deadline():
        account.add_deadline((deadline, g.number, ""))


def _put_reservation(
    account: Account, r: Reservation, state: ReservationState, totals: tuple[int, ...], holds: tuple[Allocation, ...]
) -> None:
    r.reserved, r.captured, r.released, r.shortfall, r.expires_at, r.ended_at = totals
    r.state, r.holds = state, holds
    account.add_deadline((r.expires_at, 0, r.reservation_id))


def _put_member(_: Account, things: dict[Any, Any], key: object, thing: object) -> None:
    if thing is None:
        things.pop(key, None)
    else:
        things[key] = thing
