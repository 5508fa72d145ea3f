"""How a balance came to be, told in credits and in the words of a statement."""

from msgspec import UNSET
from scrip.ledger.v1 import events_pb2, ledger_pb2

from services.gateway import ledger_mapping
from services.gateway import ledger_shapes as shapes
from services.gateway.credits import show


def of_balance(account_id: str, message: ledger_pb2.ExplainBalanceResponse) -> shapes.Explanation:
    """The balance after the newest of the entries."""
    credits, entries = message.credits, message.entries
    at = entries[0].position if entries else message.as_of_position
    summary = (
        f"At {at} account {account_id} has {show(credits.available_micros)} credits available and"
        f" {show(credits.reserved_micros)} reserved: of {show(credits.granted_micros)} that came in,"
        f" {show(credits.spent_micros)} are spent, {show(credits.expired_micros)} expired and"
        f" {show(credits.voided_micros)} were withdrawn."
    )
    if entries:
        summary += f" Its last entry is {_told(entries[0])}."
    return _explanation(message, summary)


def of_request(message: ledger_pb2.ExplainBalanceResponse, limit_micros: int) -> shapes.Explanation:
    """What became of a request, and the balance right before; `limit_micros`: how far below zero it might have gone."""
    if not message.entries:
        # The ledger says why there may be none.
        return _explanation(message, message.summary)
    entry, before = message.entries[0], message.credits
    if was_refused(message):
        limit = f", with a credit limit of {show(limit_micros)}" if limit_micros else ""
        return _explanation(
            message,
            f"It was refused at {entry.recorded_at.ToJsonString()}, {entry.reason}: {show(entry.amount_micros)} credits"
            f" were required, {show(before.available_micros)} were available and {show(before.reserved_micros)}"
            f" reserved{limit}; {show(entry.amount_micros - before.available_micros - limit_micros)} were lacking.",
        )
    became = ""
    if message.HasField("credits"):
        became = (
            f": available credits went from {show(before.available_micros)} to {show(entry.available_after_micros)},"
            f" reserved ones from {show(before.reserved_micros)} to {show(entry.reserved_after_micros)}"
        )
    return _explanation(message, f"It led to the entry {_told(entry)}{became}.")


def was_refused(message: ledger_pb2.ExplainBalanceResponse) -> bool:
    """Whether a request was refused for lack of credits."""
    return bool(message.entries) and message.entries[0].kind == events_pb2.EVENT_KIND_REQUEST_REFUSED


def _told(entry: ledger_pb2.Entry) -> str:
    word = ledger_mapping.KIND_WORDS.get(entry.kind, "other")
    about = entry.reservation_id or entry.grant_id
    amount = f" {show(entry.amount_micros)} credits" if entry.amount_micros else ""
    return f"{word}{amount}{f' of {about}' if about else ''} at {entry.recorded_at.ToJsonString()}"


def _explanation(message: ledger_pb2.ExplainBalanceResponse, summary: str) -> shapes.Explanation:
    return shapes.Explanation(
        summary=summary,
        credits=ledger_mapping.credits(message.credits) if message.HasField("credits") else UNSET,
        grants=[ledger_mapping.grant(one) for one in message.grants],
        entries=[ledger_mapping.entry(one) for one in message.entries],
        as_of_position=message.as_of_position,
    )
