"""Why a balance is what it is, and what became of a request: the entries that say so, and a sentence."""

from dataclasses import dataclass

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.application.ledger import Ledger
from services.ledger.application.reads.past import Past
from services.ledger.application.reads.statements import Statements
from services.ledger.application.shard import Shard
from services.ledger.domain import errors
from services.ledger.domain.balance import Balance
from services.ledger.domain.request_ids import key_of, parse_place
from services.ledger.store import entries, entry_pages
from services.ledger.store.entry_pages import Entry, Filter
from services.runtime import clock
from services.runtime.postgres import Pool


@dataclass(frozen=True, slots=True)
class Explanation:
    """Entries, newest first, with the balance they led to, or for a request the balance right before it."""

    entries: list[Entry]
    balance: Balance | None
    summary: str
    as_of: str


class Explain:
    """Explains one account."""

    def __init__(self, ledger: Ledger, pool: Pool, statements: Statements, past: Past) -> None:
        self._ledger = ledger
        self._pool = pool
        self._statements = statements
        self._past = past

    async def balance(self, account_id: str, position: int, limit: int) -> Explanation:
        """The balance after a position, 0: now; raises AccountNotFound, REQUEST_INVALID."""
        shard = self._ledger.shard_number(account_id)
        if position:
            b = (await self._past.at_position(account_id, position)).balance
        else:
            _, b, head, _ = await self._ledger.balance(account_id)
            position = int(head.partition(":")[2])
        as_of = await self._statements.reach(account_id)
        lines = await entry_pages.page(self._pool, account_id, Filter(before=position + 1), limit)
        summary = (
            f"At {shard}:{position} account {account_id} has {b.available} microcredits available and {b.reserved} "
            f"reserved: of {b.granted} that came in, {b.spent} are spent, {b.expired} expired and {b.voided} were "
            "withdrawn."
        )
        if lines:
            summary += f" It was last changed by {_told(lines[0].event)} at {_when(lines[0].at)}."
        return Explanation(lines, b, summary, as_of)

    async def request(self, account_id: str, request_id: str) -> Explanation:
        """What became of a command; raises AccountNotFound."""
        as_of = await self._statements.reach(account_id)
        entry = await self._remembered(account_id, request_id)
        entry = entry or await entry_pages.of_request(self._pool, account_id, request_id)
        if entry is None:
            summary = (
                f"Nothing of account {account_id} was changed or refused for lack of credits under request id "
                f"{request_id}: it never arrived, was not well formed, was refused for another reason, or asked for "
                "what was so already."
            )
            return Explanation([], None, summary, as_of)
        event = entry.event
        if event.kind == pb.EVENT_KIND_ACCOUNT_OPENED:
            return Explanation([entry], None, f"{_told(event)} at {_when(entry.at)}.", as_of)
        before = await self._past.before(account_id, entry.position, entry.at)
        return Explanation([entry], before.balance, _became(entry, before.balance), as_of)

    async def _remembered(self, account_id: str, request_id: str) -> Entry | None:
        """The event that memory has under a request id."""

        def look(shard: Shard) -> tuple[int, int] | None:
            account = shard.accounts.get(account_id)
            if account is None:
                raise errors.AccountNotFoundError(account_id=account_id)
            found = shard.request_ids.find(key_of(account_id, request_id))
            return parse_place(found[1])[:2] if found else None

        number = self._ledger.shard_number(account_id)
        place = await self._ledger.read_shard(number, look)
        if place is None:
            return None
        seq, index = place
        batch = await entries.batch(self._pool, number, seq)
        event = batch.events[index]
        if (event.account_id, event.request_id) != (account_id, request_id):
            return None
        return Entry(batch.first_position + index, batch.recorded_at.ToMicroseconds(), event)


def _became(entry: Entry, before: Balance) -> str:
    event = entry.event
    if event.kind != pb.EVENT_KIND_REQUEST_REFUSED:
        return (
            f"{_told(event)} at {_when(entry.at)}: available credits went from {before.available} to "
            f"{event.available_after_micros} microcredits, reserved ones from {before.reserved} to "
            f"{event.reserved_after_micros}."
        )
    lacking = event.amount_micros - event.available_after_micros - _limit_of(event)
    return (
        f"{_asked_for(event)} was refused at {_when(entry.at)}, {event.reason}: {event.amount_micros} microcredits "
        f"were required, {event.available_after_micros} were available and {event.reserved_after_micros} reserved, "
        f"with a credit limit of {event.credit_limit_micros}; {lacking} were lacking."
    )


def _limit_of(event: pb.Event) -> int:
    """Only reservations may draw on the credit limit."""
    return event.credit_limit_micros if event.reservation_id else 0


def _asked_for(event: pb.Event) -> str:
    if event.reservation_id:
        return f"Reservation {event.reservation_id}"
    if event.counterpart_account_id:
        return f"A transfer to account {event.counterpart_account_id}"
    return "An adjustment"


def _told(event: pb.Event) -> str:
    """An event in words, e.g. `CREDITS_RESERVED of 60 microcredits for reservation r1`."""
    words = pb.EventKind.Name(event.kind).removeprefix("EVENT_KIND_")
    if event.amount_micros:
        words += f" of {event.amount_micros} microcredits"
    if event.reservation_id:
        words += f" for reservation {event.reservation_id}"
    elif event.counterpart_account_id:
        words += f" with account {event.counterpart_account_id}"
    elif event.grant_id:
        words += f" for grant {event.grant_id}"
    return words


def _when(at: int) -> str:
    return clock.from_us(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")
