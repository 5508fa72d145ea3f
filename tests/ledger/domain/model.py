"""The ledger's rules once more, as simply as they can be said: plain dicts and lists, no events, no totals kept.

Every total is added up anew from grants, reservations and captures, burn order is sorted at every use, and what is due
is looked for everywhere. Shares no code with the ledger. Reasons stand for refusals; None is a command that was done.
"""

from typing import Any

from tests.ledger.domain import model_account as accounts
from tests.ledger.domain.model_account import Thing

# Of each kind of command, what makes two of one request id the same.
CONTENT = {
    "open": ("limit",),
    "freeze": (),
    "thaw": (),
    "close": ("declared",),
    "limit": ("limit",),
    "grant": ("amount", "priority", "begins", "expires"),
    "void": ("grant",),
    "reserve": ("id", "amount"),
    "extend": ("id",),
    "capture": ("id", "total", "final", "beyond"),
    "release": ("id",),
    "refund": ("id", "amount"),
    "reduce": ("amount",),
    "send": ("to", "amount"),
}


class Model:
    """Accounts of one shard; `grants_max` of each can be unspent at once."""

    def __init__(self, grants_max: int) -> None:
        self.grants_max = grants_max
        self.accounts: dict[str, Thing] = {}
        # By account and request id: content, and the reason of a refusal that was recorded.
        self.seen: dict[tuple[str, str], tuple[Any, str | None]] = {}

    def advance(self, at: int) -> None:
        """Lets everything that is due on any account happen."""
        for account in self.accounts.values():
            accounts.advance(account, at)

    def execute(self, step: Thing, at: int) -> str | None:
        """Does a command, or tells the reason for which it does not."""
        kind, account_id, request = step["do"], step["account"], step["request"]
        # The ledger's own commands have no request id; they go by the transfer's.
        content = (kind, *(step[name] for name in CONTENT[kind])) if kind in CONTENT else None
        account = self.accounts.get(account_id)
        if account is not None:
            accounts.advance(account, at)
        known = self.seen.get((account_id, request))
        if known and content:
            return known[1] if known[0] == content else "REQUEST_ID_REUSED"
        if step["not_after"] < at:
            return "REQUEST_EXPIRED"
        if account is None:
            if kind != "open":
                return "ACCOUNT_NOT_FOUND"
            self.accounts[account_id] = accounts.new_account(step["limit"])
            self.seen[account_id, request] = (content, None)
            return None
        try:
            acted = getattr(self, f"_{kind}")(account, step, at)
        except accounts.Refused as refused:
            reason = str(refused)
            # Of all refusals, only a lack of credits is kept; a transfer for which there is no room is kept by its id.
            if reason == "INSUFFICIENT_CREDITS":
                self.seen[account_id, request] = (content, reason)
            return reason
        if acted and content:
            self.seen[account_id, request] = (content, None)
        # What is due already when it comes in lapses at the next look.
        accounts.repay(account)
        return None

    # ---- accounts: each answers whether anything happened

    def _open(self, a: Thing, step: Thing, at: int) -> bool:
        if step["limit"] and step["limit"] != a["limit"]:
            raise accounts.Refused("ACCOUNT_EXISTS")
        return False

    def _freeze(self, a: Thing, step: Thing, at: int) -> bool:
        return accounts.turn(a, "FROZEN")

    def _thaw(self, a: Thing, step: Thing, at: int) -> bool:
        return accounts.turn(a, "ACTIVE")

    def _close(self, a: Thing, step: Thing, at: int) -> bool:
        if a["state"] == "CLOSED":
            return False
        rest = [grant for grant in a["grants"] if grant["state"] in ("LIVE", "SCHEDULED")]
        worth = sum(grant["available"] if grant["state"] == "LIVE" else grant["amount"] for grant in rest)
        if a["reservations"] or a["owed"] or a["under_way"] or (worth and not step["declared"]):
            raise accounts.Refused("ACCOUNT_NOT_EMPTY")
        for grant in rest:
            accounts.end(grant, "VOIDED")
        return accounts.turn(a, "CLOSED")

    def _limit(self, a: Thing, step: Thing, at: int) -> bool:
        accounts.refuse_closed(a)
        if step["limit"] == a["limit"]:
            return False
        if step["limit"] < a["owed"] + accounts.on_credit(a):
            raise accounts.Refused("CREDIT_LIMIT_BELOW_USED")
        a["limit"] = step["limit"]
        return True

    # ---- credits that come and go

    def _grant(self, a: Thing, step: Thing, at: int) -> bool:
        accounts.refuse_closed(a)
        if step["expires"] and step["expires"] <= at:
            raise accounts.Refused("REQUEST_INVALID")
        self._refuse_full(a)
        grant = accounts.add_grant(a, step["grant"], step["amount"], step["priority"], step["expires"], at)
        grant["came_in"] = True
        if step["begins"] > at:
            grant.update(state="SCHEDULED", begins=step["begins"], available=0, began=False)
        return True

    def _refuse_full(self, a: Thing) -> None:
        if len(accounts.burning(a)) + sum(g["state"] == "SCHEDULED" for g in a["grants"]) >= self.grants_max:
            raise accounts.Refused("TOO_MANY_GRANTS")

    def _void(self, a: Thing, step: Thing, at: int) -> bool:
        accounts.refuse_closed(a)
        found = [grant for grant in a["grants"] if grant["id"] == step["grant"] and accounts.usable_or_pinned(a, grant)]
        if not found:
            raise accounts.Refused("GRANT_NOT_FOUND")
        if found[0]["state"] not in ("LIVE", "SCHEDULED"):
            raise accounts.Refused("GRANT_ENDED")
        accounts.end(found[0], "VOIDED")
        return True

    def _reduce(self, a: Thing, step: Thing, at: int) -> bool:
        accounts.refuse_closed(a)
        if step["amount"] > accounts.available(a):
            raise accounts.Refused("INSUFFICIENT_CREDITS")
        for grant, part in accounts.take(a, step["amount"]):
            grant["voided"] += part
        return True

    def _refund(self, a: Thing, step: Thing, at: int) -> bool:
        accounts.refuse_closed(a)
        if step["id"] not in a["taken"]:
            raise accounts.Refused("RESERVATION_NOT_FOUND")
        taken = a["taken"][step["id"]]
        if step["amount"] > sum(part for _, part in taken):
            raise accounts.Refused("REFUND_EXCEEDS_CAPTURED")
        accounts.return_last(a, taken, step["amount"], step["grant"], at)
        return True

    # ---- reservations

    def _reserve(self, a: Thing, step: Thing, at: int) -> bool:
        accounts.refuse_closed(a)
        known = a["reservations"].get(step["id"]) or a["ended"].get(step["id"])
        if known:
            if known["amount"] != step["amount"]:
                raise accounts.Refused("REQUEST_ID_REUSED")
            return False
        if a["state"] == "FROZEN":
            raise accounts.Refused("ACCOUNT_FROZEN")
        if step["amount"] > accounts.available(a) + a["limit"]:
            raise accounts.Refused("INSUFFICIENT_CREDITS")
        a["reservations"][step["id"]] = {
            "amount": step["amount"],
            "captured": 0,
            "expires": at + step["ttl"],
            "holds": accounts.take(a, step["amount"]),
        }
        a["taken"][step["id"]] = []
        return True

    def _extend(self, a: Thing, step: Thing, at: int) -> bool:
        reservation = accounts.open_reservation(a, step["id"])
        if at + step["ttl"] <= reservation["expires"]:
            return False
        reservation["expires"] = at + step["ttl"]
        return True

    def _capture(self, a: Thing, step: Thing, at: int) -> bool:
        reservation = accounts.open_reservation(a, step["id"])
        more = step["total"] - reservation["captured"]
        if more < 0:
            raise accounts.Refused("REQUEST_INVALID")
        if more == 0 and not step["final"]:
            return False
        held = sum(part for _, part in reservation["holds"])
        if more > held and not step["beyond"]:
            raise accounts.Refused("CAPTURE_EXCEEDS_RESERVED")
        beyond = min(max(more - held, 0), max(accounts.available(a), 0))
        taken = accounts.take_first(reservation["holds"], min(more, held))
        for grant, part in taken:
            if grant is None:
                a["owed"] += part
        for grant, part in accounts.take(a, beyond):
            accounts.add_part(taken, grant, part)
        reservation["captured"] += min(more, held) + beyond
        a["taken"][step["id"]] += taken
        if step["final"]:
            accounts.end_reservation(a, step["id"], "CAPTURED")
        return True

    def _release(self, a: Thing, step: Thing, at: int) -> bool:
        accounts.open_reservation(a, step["id"])
        accounts.end_reservation(a, step["id"], "RELEASED")
        return True

    # ---- transfers

    def _send(self, a: Thing, step: Thing, at: int) -> bool:
        accounts.refuse_closed(a)
        if a["state"] == "FROZEN":
            raise accounts.Refused("ACCOUNT_FROZEN")
        if step["amount"] > accounts.available(a):
            raise accounts.Refused("INSUFFICIENT_CREDITS")
        parts = accounts.take(a, step["amount"])
        for grant, part in parts:
            grant["voided"] += part
        a["under_way"][step["transfer"]] = parts
        other = self.accounts.get(step["to"])
        if other is None:
            return True
        lapses = min((grant["expires"] for grant, _ in parts if grant["expires"]), default=0)
        arrival = {"transfer": step["transfer"], "amount": step["amount"], "expires": lapses}
        accounts.advance(other, at)
        try:
            self._receive(other, arrival, at)
            accounts.advance(other, at)
            return self._complete(a, arrival, at)
        except accounts.Refused:
            return self._return(a, arrival | {"grant": f"grant_{step['transfer']}"}, at)

    def _receive(self, a: Thing, step: Thing, at: int) -> bool:
        arrived = a["arrived"].get(step["transfer"])
        if arrived is False:
            raise accounts.Refused("TRANSFER_REJECTED")
        if arrived:
            return False
        accounts.refuse_closed(a)
        try:
            self._refuse_full(a)
        except accounts.Refused:
            a["arrived"][step["transfer"]] = False
            raise accounts.Refused("TRANSFER_REJECTED") from None
        a["arrived"][step["transfer"]] = True
        grant = accounts.add_grant(a, f"grant_{step['transfer']}", step["amount"], 100, step["expires"], at)
        grant["came_in"] = True
        return True

    def _complete(self, a: Thing, step: Thing, at: int) -> bool:
        if a["under_way"].pop(step["transfer"], None) is None:
            raise accounts.Refused("TRANSFER_NOT_FOUND")
        return True

    def _return(self, a: Thing, step: Thing, at: int) -> bool:
        parts = a["under_way"].pop(step["transfer"], None)
        if parts is None:
            raise accounts.Refused("TRANSFER_NOT_FOUND")
        for grant, part in parts:
            grant["voided"] -= part
        accounts.return_last(a, parts, sum(part for _, part in parts), step["grant"], at)
        return True
