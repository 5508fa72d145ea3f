"""Steps of a random sequence: a few small numbers; which reservation, grant or transfer they mean follows from what
there is. So sequences can be drawn at random, and a failing one can be made smaller.
"""

from collections.abc import Callable, Collection
from typing import Any

from hypothesis import strategies as st

from services.ledger.domain import commands as cmd
from services.ledger.domain.account import AccountState
from tests.ledger.domain.book import DAY, SECOND
from tests.ledger.domain.model import Model
from tests.ledger.domain.model_account import Thing

# Accounts a step may mean; the last, seldom, is opened by a step only.
ACCOUNTS = ("a", "b", "c", "a", "b", "c", "a", "b", "c", "d")
FAR = "far"
# Request ids are remembered throughout.
LASTING = 4_000 * DAY
# kind, account, three small numbers
Step = tuple[str, int, int, int, int]

_WEIGHTS = {
    "grant": 9, "reserve": 10, "capture": 8, "release": 3, "extend": 2, "refund": 4, "void": 2, "reduce": 2, "send": 4,
    "receive": 1, "complete": 1, "return": 1, "limit": 3, "freeze": 1, "thaw": 4, "close": 1, "open": 1, "say again": 3,
    "reuse": 1, "late": 1, "wait": 8, "wait long": 1, "commit": 4, "undo": 4, "together": 3,
}  # fmt: skip
KINDS = [kind for kind, weight in _WEIGHTS.items() for _ in range(weight)]
STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.integers(0, len(ACCOUNTS) - 1),
        st.integers(0, 60),
        st.integers(0, 9),
        st.integers(0, 9),
    ),
    max_size=60,
)


class Meanings:
    """What steps mean, as the model reads them; knows what was said so far."""

    def __init__(self) -> None:
        self.said: list[Thing] = []
        self._count = 0
        self._grants: dict[str, list[str]] = {account: [] for account in ACCOUNTS}

    def of(self, step: Step, model: Model, at: int) -> Thing | None:
        """The command a step means now; None where it means none."""
        kind, who, x, y, z = step
        account = ACCOUNTS[who]
        self._count += 1
        signed = {"account": account, "request": f"q{self._count}", "not_after": at + LASTING}
        match kind:
            case "say again":
                return self.said[-1 - x % min(len(self.said), 12)]
            case "reuse":
                made = self.of(("reserve" if z % 2 else "reduce", who, x, y, z), model, at)
                return made and made | {"request": self.said[-1 - x % len(self.said)]["request"]}
            case "late":
                made = self.of(("grant" if z % 2 else "reserve", who, x, y, z), model, at)
                return made and made | {"not_after": at - 1}
        fields = self._fields(kind, account, (x, y, z), model, at)
        return None if fields is None else {"do": kind} | signed | fields

    def _fields(  # noqa: PLR0912 (one case a kind)
        self, kind: str, account: str, numbers: tuple[int, int, int], model: Model, at: int
    ) -> Thing | None:
        x, y, z = numbers
        a = model.accounts.get(account, {})
        reservation = {"id": f"r{len(self.said) // 40}-{y % 4}"}
        if y == 9 and a.get("ended"):
            reservation = {"id": list(a["ended"])[-1 - x % len(a["ended"])]}
        match kind:
            case "grant":
                return {
                    "grant": self._new_grant(account),
                    "amount": x // (1 + z % 4) + 1,
                    "priority": z % 3,
                    "begins": at + z * SECOND if z % 3 == 2 else 0,
                    "expires": at + (y + z + 1) * SECOND if y % 3 else 0,
                }
            case "void":
                known = self._grants[account]
                return {"grant": known[-1 - y % min(len(known), 6)] if known else "none"}
            case "reserve":
                return reservation | {"amount": x * 2 // 3, "ttl": (1 + 3 * z) * SECOND}
            case "extend":
                return _one(a.get("reservations"), y, reservation, {"ttl": (x + 1) * SECOND})
            case "capture":
                how = {"total": x // 2, "final": z % 3 == 0, "beyond": z > 5}
                return _one(a.get("reservations"), y, reservation, how)
            case "release":
                return _one(a.get("reservations"), y, reservation, {})
            case "refund":
                captured = [one for one, parts in a.get("taken", {}).items() if parts]
                return _one(captured, y, reservation, {"amount": x // 4 + 1, "grant": self._new_grant(account)})
            case "reduce":
                return {"amount": x // 3 + 1}
            case "limit" | "open":
                return {"limit": 3 * x if z % 4 else 0}
            case "close":
                # Seldom: nothing happens on a closed account.
                return {"declared": z % 2 == 0} if x % 8 == 0 else None
            case "freeze" | "thaw":
                return {}
            case "send":
                to = [other for other in ("a", "b", "c", FAR) if other != account][y % 3]
                transfer = f"t{self._count}"
                if to != FAR:
                    self._grants[to].append(f"grant_{transfer}")
                return {"to": to, "amount": x // 2 + 1, "transfer": transfer}
            case "receive":
                expires = at + (z + 1) * SECOND if z % 2 else 0
                return {"transfer": f"far{y}", "amount": 7 + y, "expires": expires}
            case "complete" | "return":
                found = _one(a.get("under_way"), y, {"id": "none"}, {})
                return found and {"transfer": found["id"], "grant": f"grant_{found['id']}"}
            case _:
                return None

    def _new_grant(self, account: str) -> str:
        self._grants[account].append(f"g{self._count}")
        return self._grants[account][-1]


def _one(known: Collection[str] | None, y: int, otherwise: Thing, fields: Thing) -> Thing | None:
    """A command about something that is there; seldom about another, or about nothing."""
    if y == 9:
        return otherwise | fields
    return {"id": list(known)[-1 - y % len(known)]} | fields if known else None


def command_of(thing: Thing) -> tuple[Any, Thing]:
    """The ledger's command for the model's, and its fields."""
    return _COMMANDS[thing["do"]](thing)


def _update(state: AccountState | None, limit: int | None = None, declared: bool = False) -> tuple[Any, Thing]:
    return cmd.UpdateAccount, {"state": state, "credit_limit": limit, "void_available": declared, "reason": ""}


def _of_reservation(make: Any, thing: Thing, **fields: Any) -> tuple[Any, Thing]:
    return make, {"reservation_id": thing["id"], **fields}


_COMMANDS: dict[str, Callable[[Thing], tuple[Any, Thing]]] = {
    "open": lambda t: (cmd.OpenAccount, {"credit_limit": t["limit"]}),
    "freeze": lambda _: _update(AccountState.FROZEN),
    "thaw": lambda _: _update(AccountState.ACTIVE),
    "close": lambda t: _update(AccountState.CLOSED, declared=t["declared"]),
    "limit": lambda t: _update(None, t["limit"]),
    "grant": lambda t: (
        cmd.GrantCredits,
        {
            "grant_id": t["grant"],
            "amount": t["amount"],
            "source": 1,
            "priority": t["priority"],
            "effective_at": t["begins"],
            "expires_at": t["expires"],
        },
    ),
    "void": lambda t: (cmd.VoidGrant, {"grant_id": t["grant"], "reason": ""}),
    "reserve": lambda t: _of_reservation(cmd.ReserveCredits, t, amount=t["amount"], ttl=t["ttl"]),
    "extend": lambda t: _of_reservation(cmd.ExtendReservation, t, ttl=t["ttl"]),
    "capture": lambda t: _of_reservation(
        cmd.CaptureReservation, t, captured_total=t["total"], final=t["final"], up_to_available=t["beyond"]
    ),
    "release": lambda t: _of_reservation(cmd.ReleaseReservation, t),
    "refund": lambda t: _of_reservation(cmd.RefundCapture, t, amount=t["amount"], grant_id=t["grant"], reason=""),
    "reduce": lambda t: (cmd.AdjustBalance, {"amount": t["amount"], "reason": ""}),
    "send": lambda t: (
        cmd.SendTransfer,
        {"transfer_id": t["transfer"], "to_account_id": t["to"], "amount": t["amount"]},
    ),
    "receive": lambda t: (
        cmd.ReceiveTransfer,
        {"transfer_id": t["transfer"], "from_account_id": FAR, "amount": t["amount"], "expires_at": t["expires"]},
    ),
    "complete": lambda t: (cmd.CompleteTransfer, {"transfer_id": t["transfer"]}),
    "return": lambda t: (cmd.ReturnTransfer, {"transfer_id": t["transfer"], "grant_id": t["grant"], "reason": ""}),
}
