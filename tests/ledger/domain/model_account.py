"""An account of the model: what it comes to, and how credits go in and out of its grants."""

from typing import Any

Thing = dict[str, Any]
# A part of an amount: the grant it comes from (None: the account's credit), and how much.
Part = list[Any]

THIRTY_DAYS = 30 * 24 * 3600 * 1_000_000


class Refused(Exception):
    """Why a command is not done."""


def amounts(a: Thing) -> dict[str, int]:
    """The six amounts, each added up from what there is."""
    reserved = sum(part for r in a["reservations"].values() for _, part in r["holds"])
    return {
        "granted": sum(g["amount"] for g in a["grants"] if g["came_in"] and g["began"]),
        "available": available(a),
        "reserved": reserved,
        "spent": sum(part for taken in a["taken"].values() for _, part in taken),
        "expired": sum(g["expired"] for g in a["grants"]),
        "voided": sum(g["voided"] for g in a["grants"]),
    }


def available(a: Thing) -> int:
    """What grants have left, less what is on credit; what a scheduled one will bring is not there yet."""
    return int(sum(g["available"] for g in a["grants"])) - int(a["owed"]) - on_credit(a)


def on_credit(a: Thing) -> int:
    """What reservations hold of the account's credit."""
    return sum(part for r in a["reservations"].values() for grant, part in r["holds"] if grant is None)


def reserved_of(a: Thing, grant: Thing) -> int:
    """What reservations hold of a grant."""
    return sum(part for r in a["reservations"].values() for held, part in r["holds"] if held is grant)


def usable_or_pinned(a: Thing, grant: Thing) -> bool:
    """Scheduled, live, or dead with something still reserved of it."""
    return grant["state"] in ("LIVE", "SCHEDULED") or reserved_of(a, grant) > 0


def new_account(limit: int) -> Thing:
    lists: Thing = {"grants": [], "reservations": {}, "ended": {}, "taken": {}, "under_way": {}, "arrived": {}}
    return {"state": "ACTIVE", "limit": limit, "owed": 0, **lists}


def add_grant(a: Thing, grant_id: str, amount: int, priority: int, expires: int, at: int) -> Thing:
    grant = {
        "id": grant_id,
        "amount": amount,
        "available": amount,
        "priority": priority,
        "expires": expires,
        "made": at,
        "state": "LIVE",
        "began": True,
        "came_in": False,
        "expired": 0,
        "voided": 0,
    }
    a["grants"].append(grant)
    return grant


def turn(a: Thing, state: str) -> bool:
    if a["state"] == state:
        return False
    refuse_closed(a)
    a["state"] = state
    return True


def refuse_closed(a: Thing) -> None:
    if a["state"] == "CLOSED":
        raise Refused("ACCOUNT_CLOSED")


def open_reservation(a: Thing, reservation_id: str) -> Thing:
    if reservation_id in a["reservations"]:
        found: Thing = a["reservations"][reservation_id]
        return found
    if reservation_id not in a["ended"]:
        raise Refused("RESERVATION_NOT_FOUND")
    raise Refused("RESERVATION_EXPIRED" if a["ended"][reservation_id]["how"] == "EXPIRED" else "RESERVATION_ENDED")


def end_reservation(a: Thing, reservation_id: str, how: str) -> None:
    reservation = a["reservations"].pop(reservation_id)
    for grant, part in reservation["holds"]:
        if grant is not None:
            give(grant, part)
    a["ended"][reservation_id] = {"amount": reservation["amount"], "how": how}


def burning(a: Thing) -> list[Thing]:
    live = [grant for grant in a["grants"] if grant["state"] == "LIVE" and grant["available"]]
    return sorted(live, key=lambda g: (g["priority"], g["expires"] == 0, g["expires"], g["made"], g["id"]))


def take(a: Thing, amount: int) -> list[Part]:
    """Out of grants in burn order, and what they lack out of the account's credit."""
    parts = []
    for grant in burning(a):
        part = min(amount, grant["available"])
        if part:
            grant["available"] -= part
            amount -= part
            parts.append([grant, part])
    return [*parts, [None, amount]] if amount else parts


def take_first(parts: list[Part], amount: int) -> list[Part]:
    """Out of some parts, from the first on."""
    taken = []
    for place in parts:
        part = min(amount, place[1])
        if part:
            place[1] -= part
            amount -= part
            taken.append([place[0], part])
    return taken


def add_part(parts: list[Part], grant: Thing | None, amount: int) -> None:
    for place in parts:
        if place[0] is grant:
            place[1] += amount
            return
    parts.append([grant, amount])


def give(grant: Thing, amount: int) -> None:
    """Back to a grant; what comes back to a dead one goes the way it went."""
    grant[{"LIVE": "available", "EXPIRED": "expired", "VOIDED": "voided"}[grant["state"]]] += amount


def return_last(a: Thing, taken: list[Part], amount: int, grant_id: str, at: int) -> None:
    """Back to where it was taken from, the last first; what has nowhere to go is a new grant for thirty days."""
    homeless = 0
    while amount:
        grant, took = taken[-1]
        part = min(amount, took)
        amount -= part
        taken[-1][1] -= part
        if not taken[-1][1]:
            taken.pop()
        if grant is None:
            paid = min(part, a["owed"])
            a["owed"] -= paid
            homeless += part - paid
        elif grant["state"] == "LIVE":
            grant["available"] += part
        else:
            homeless += part
    if homeless:
        add_grant(a, grant_id, homeless, 100, at + THIRTY_DAYS, at)


def end(grant: Thing, state: str) -> None:
    """A grant dies with what is available in it."""
    grant["state"] = state
    rest, grant["available"] = grant["available"], 0
    give(grant, rest)


def repay(a: Thing) -> None:
    """Grants pay what was spent on credit, as far as they go."""
    paid = min(a["owed"], sum(grant["available"] for grant in burning(a)))
    a["owed"] -= paid
    take(a, paid)


def advance(a: Thing, at: int) -> None:
    """What is due happens in the order of its time; at one time reservations come first, then grants by age."""
    while True:
        repay(a)
        due = [(r["expires"], -1, reservation_id) for reservation_id, r in a["reservations"].items()]
        for number, grant in enumerate(a["grants"]):
            if grant["state"] == "SCHEDULED":
                due.append((grant["begins"], number, "begins"))
            elif grant["state"] == "LIVE" and grant["expires"]:
                due.append((grant["expires"], number, "expires"))
        if not due or min(due)[0] > at:
            return
        _, number, what = min(due)
        if number < 0:
            end_reservation(a, what, "EXPIRED")
        elif what == "begins":
            a["grants"][number].update(state="LIVE", available=a["grants"][number]["amount"], began=True)
        else:
            end(a["grants"][number], "EXPIRED")
