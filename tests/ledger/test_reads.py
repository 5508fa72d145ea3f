"""Reads of the ledger: balances now and then, what became of requests, statements, reservations, grants."""

from typing import Any

import pytest
from scrip.ledger.v1 import events_pb2, ledger_pb2

from services.ledger.application.reads import watch
from services.ledger.store import entry_pages
from services.runtime import ids, postgres
from services.runtime.errors import Refusal
from tests.harness.databases import Databases
from tests.harness.processes import Services
from tests.harness.waiting import eventually
from tests.ledger.client import LedgerClient, ahead
from tests.ledger.ledgers import done, open_account, running

GRANTED = events_pb2.EVENT_KIND_CREDITS_GRANTED
RESERVED = events_pb2.EVENT_KIND_CREDITS_RESERVED
CAPTURED = events_pb2.EVENT_KIND_RESERVATION_CAPTURED
OPENED = events_pb2.EVENT_KIND_ACCOUNT_OPENED
REFUSED = events_pb2.EVENT_KIND_REQUEST_REFUSED


async def live(ledger: LedgerClient, account: str) -> None:
    """A little of everything happens to an account."""
    await ledger.reserve(account, "r1", 60)
    await ledger.capture(account, "r1", 25, final=False)
    await ledger.command("AdjustBalance", account, amount_micros=7, reason="goodwill")
    await ledger.grant(account, 11, priority=1, subject={"reference": "order-1"})
    await ledger.reserve(account, "r2", 13)
    with pytest.raises(Refusal):
        await ledger.reserve(account, "r3", 1_000, request_id="too-much")
    await ledger.capture(account, "r1", 30)
    await ledger.command("RefundCapture", account, reservation_id="r1", amount_micros=10)
    await ledger.release(account, "r2")


# ---- balances


async def test_a_balance_as_it_was_is_what_was_told_then(ledger: LedgerClient, account: str) -> None:
    """After each step, asked for by its position and by its time, the balance is what it was."""
    steps: list[tuple[str, dict[str, Any]]] = [
        ("GrantCredits", {"amount_micros": 40, "source": events_pb2.GRANT_SOURCE_PLAN, "expires_at": ahead(2)}),
        ("ReserveCredits", {"reservation_id": "r", "amount_micros": 120, "ttl": {"seconds": 60}}),
        ("CaptureReservation", {"reservation_id": "r", "captured_total_micros": 15}),
        ("AdjustBalance", {"amount_micros": -3, "reason": "test"}),
        ("CaptureReservation", {"reservation_id": "r", "captured_total_micros": 60, "final": True}),
        ("RefundCapture", {"reservation_id": "r", "amount_micros": 50}),
        ("UpdateAccount", {"state": ledger_pb2.Account.STATE_FROZEN}),
    ]
    known = []
    for method, fields in steps:
        await ledger.command(method, account, **fields)
        known.append(await ledger.ask("GetBalance", account_id=account))

    async def expired() -> bool:
        return bool((await ledger.balance(account)).expired_micros)

    await eventually(expired, 10)
    for then in known:
        by_time = await ledger.ask("GetBalance", account_id=account, at=then.as_of)
        by_position = await ledger.ask("GetBalance", account_id=account, at_position=then.position)
        for found in (by_time, by_position):
            assert (found.credits, found.account, found.position) == (then.credits, then.account, then.position)
            assert list(found.grants) == list(then.grants)
            assert list(found.reservations) == list(then.reservations)
        assert by_time.as_of == then.as_of


async def test_a_balance_as_it_was_counts_what_was_due(ledger: LedgerClient, account: str) -> None:
    """A grant had expired at its time, whenever the event of that was written."""
    made = await ledger.grant(account, 40, expires_at=ahead(1))

    async def expired() -> bool:
        return bool((await ledger.balance(account)).expired_micros)

    await eventually(expired, 10)
    at_expiry = await ledger.balance(account, at=made.grant.expires_at)
    assert (at_expiry.available_micros, at_expiry.expired_micros) == (100, 40)


async def test_a_balance_is_as_fresh_as_is_asked(ledger: LedgerClient, account: str) -> None:
    """At least as fresh as one's own write; or whatever memory holds."""
    written = await ledger.reserve(account, "r", 30)
    assert (await ledger.balance(account, min_position=written.position)).reserved_micros == 30
    assert (await ledger.balance(account, stale_ok=True)).reserved_micros == 30


async def test_a_position_of_elsewhere_or_ahead_is_named(ledger: LedgerClient, account: str) -> None:
    """Nobody waits for a position that is not there, and none of another shard means anything."""
    shard, _, n = (await ledger.ask("GetBalance", account_id=account)).position.partition(":")
    beyond, elsewhere = f"{shard}:{int(n) + 1_000_000}", f"{(int(shard) + 1) % 16}:1"
    for method, field in (
        ("GetBalance", "at_position"),
        ("GetBalance", "min_position"),
        ("ExplainBalance", "at_position"),
    ):
        for position in (beyond, elsewhere):
            with pytest.raises(Refusal) as refused:
                await ledger.ask(method, account_id=account, **{field: position})
            assert (refused.value.reason, refused.value.metadata["field"]) == ("REQUEST_INVALID", field)
            assert refused.value.metadata["value"] == position
            assert position in refused.value.message


async def test_a_balance_shows_its_first_hundred_reservations(ledger: LedgerClient, account: str) -> None:
    """And says how many there are."""
    for number in range(101):
        await ledger.reserve(account, f"r{number:03}", 0)
    found = await ledger.ask("GetBalance", account_id=account)
    assert found.open_reservations == 101
    assert [one.reservation_id for one in found.reservations] == [f"r{number:03}" for number in range(100)]


# ---- explanations


async def test_a_balance_is_explained_entry_by_entry(ledger: LedgerClient, account: str) -> None:
    """The entries that led to it, what they came to, and a sentence."""
    await live(ledger, account)
    found = await ledger.ask("ExplainBalance", account_id=account, page_size=3)
    assert found.credits == await ledger.balance(account)
    assert [entry.kind for entry in found.entries] == [
        events_pb2.EVENT_KIND_RESERVATION_RELEASED,
        events_pb2.EVENT_KIND_CAPTURE_REFUNDED,
        CAPTURED,
    ]
    assert found.entries[0].available_after_micros == found.credits.available_micros
    assert f"{found.credits.available_micros} microcredits available" in found.summary
    assert "RESERVATION_RELEASED of 13 microcredits for reservation r2" in found.summary
    before = await ledger.ask("ExplainBalance", account_id=account, at_position=found.entries[2].position)
    assert before.entries[0] == found.entries[2]
    assert before.credits.available_micros == found.entries[2].available_after_micros


async def test_a_refusal_is_explained_by_the_state_it_was_decided_on(ledger: LedgerClient, account: str) -> None:
    """Required, available, reserved and the limit, in a sentence; whatever has happened since."""
    await ledger.command("UpdateAccount", account, credit_limit_micros=5)
    await ledger.reserve(account, "r1", 60)
    with pytest.raises(Refusal):
        await ledger.reserve(account, "r2", 50, request_id="q")
    await ledger.grant(account, 1_000)
    found = await ledger.ask("ExplainBalance", account_id=account, request_id="q")
    assert [(entry.kind, entry.reason) for entry in found.entries] == [(REFUSED, "INSUFFICIENT_CREDITS")]
    assert (found.credits.available_micros, found.credits.reserved_micros) == (40, 60)
    assert [grant.available_micros for grant in found.grants] == [40]
    for words in (
        "Reservation r2 was refused",
        "50 microcredits were required",
        "40 were available and 60 reserved",
        "a credit limit of 5; 5 were lacking",
    ):
        assert words in found.summary


async def test_a_command_that_was_done_is_explained_too(ledger: LedgerClient, account: str) -> None:
    """What it did to the account; and of one that nobody knows, that it did nothing."""
    await ledger.reserve(account, "r", 60, request_id="q")
    found = await ledger.ask("ExplainBalance", account_id=account, request_id="q")
    assert [entry.reservation_id for entry in found.entries] == ["r"]
    assert found.credits.available_micros == 100
    assert "went from 100 to 40" in found.summary
    unknown = await ledger.ask("ExplainBalance", account_id=account, request_id="nobody")
    assert not unknown.entries
    assert not unknown.HasField("credits")
    assert "Nothing of account" in unknown.summary


async def test_what_no_memory_holds_is_found_by_its_entry(
    ledger: LedgerClient, process: Services, account: str
) -> None:
    """A command's entry is found by its request id, long after the id is forgotten; a part of an id finds nothing."""
    made = await ledger.reserve(account, "r", 60, request_id="quite-old")
    await ledger.ask("ListEntries", account_id=account)
    async with postgres.open_pool(process.database("ledger").dsn, "test") as pool:
        found = await entry_pages.of_request(pool, account, "quite-old")
        assert found is not None
        assert made.position.endswith(f":{found.position}")
        assert await entry_pages.of_request(pool, account, "quite") is None


# ---- statements


async def test_a_statement_tells_everything_newest_first(ledger: LedgerClient, account: str) -> None:
    """Page by page, each entry once, to the beginning; the first page says how far the log was read."""
    await live(ledger, account)
    entries, token = [], ""
    while True:
        page = await ledger.ask("ListEntries", account_id=account, page_size=4, page_token=token)
        entries += page.entries
        token = page.next_page_token
        if not token:
            break
    assert [entry.kind for entry in entries][-2:] == [GRANTED, OPENED]
    positions = [int(entry.position.partition(":")[2]) for entry in entries]
    assert positions == sorted(set(positions), reverse=True)
    assert len(entries) == 11
    assert int(page.as_of_position.partition(":")[2]) >= positions[0]
    assert entries[0].available_after_micros == (await ledger.balance(account)).available_micros
    assert [entry.subject.reference for entry in entries if entry.subject.reference] == ["order-1"]
    assert {entry.actor for entry in entries} == {"service:gateway"}


async def test_a_statement_is_filtered(ledger: LedgerClient, account: str) -> None:
    """By kind, reservation, grant and time, and by several of these together, over pages."""
    await live(ledger, account)

    async def told(**fields: Any) -> list[Any]:
        entries, token = [], ""
        while True:
            page = await ledger.ask("ListEntries", account_id=account, page_size=1, page_token=token, **fields)
            entries += page.entries
            token = page.next_page_token
            if not token:
                return entries

    whole = await told()
    captures = await told(kinds=[CAPTURED])
    assert captures == [entry for entry in whole if entry.kind == CAPTURED]
    assert await told(kinds=[REFUSED, OPENED]) == [entry for entry in whole if entry.kind in (REFUSED, OPENED)]
    assert await told(reservation_id="r1") == [entry for entry in whole if entry.reservation_id == "r1"]
    assert await told(reservation_id="r1", kinds=[CAPTURED]) == captures
    grant_id = whole[-2].grant_id
    assert await told(grant_id=grant_id) == [whole[-2]]
    assert await told(grant_id="other") == []
    middle = whole[5].recorded_at
    assert await told(until=middle) == [e for e in whole if e.recorded_at.ToNanoseconds() < middle.ToNanoseconds()]
    later = [e for e in whole if e.recorded_at.ToNanoseconds() >= middle.ToNanoseconds()]
    assert await told(**{"from": middle}) == later
    assert await told(**{"from": ahead(-60), "until": ahead(60)}) == whole
    assert await told(**{"from": ahead(60)}) == []


async def test_a_page_token_fits_its_own_list_only(ledger: LedgerClient, account: str) -> None:
    """Another account, another filter and another method are other lists; another size is not."""
    await live(ledger, account)
    other = f"b-{ids.uuid7()}"
    await ledger.open(other)
    fields = {"account_id": account, "kinds": [RESERVED]}
    token = (await ledger.ask("ListEntries", page_size=1, **fields)).next_page_token
    assert len((await ledger.ask("ListEntries", page_token=token, page_size=2, **fields)).entries) == 1
    for method, changed in (
        ("ListEntries", {"account_id": other, "kinds": [RESERVED]}),
        ("ListEntries", {"account_id": account, "kinds": [CAPTURED]}),
        ("ListEntries", {"account_id": account}),
        ("ListGrants", {"account_id": account}),
        ("ListReservations", {"account_id": account}),
    ):
        with pytest.raises(Refusal) as refused:
            await ledger.ask(method, page_token=token, **changed)
        assert (refused.value.reason, refused.value.metadata["field"]) == ("REQUEST_INVALID", "page_token")


# ---- reservations and grants


async def listed(ledger: LedgerClient, method: str, of: str, **fields: Any) -> list[Any]:
    """All of a list, two a page."""
    found, token = [], ""
    while True:
        page = await ledger.ask(method, page_size=2, page_token=token, **fields)
        assert len(getattr(page, of)) <= 2
        assert page.as_of_position
        found += getattr(page, of)
        token = page.next_page_token
        if not token:
            return found


async def test_open_reservations_are_listed_oldest_first(ledger: LedgerClient, account: str) -> None:
    """Page by page; or only those made before a time."""
    for number in range(5):
        made = await ledger.reserve(account, f"r{number}", number)
        if number == 2:
            third = made.reservation.created_at
    await ledger.capture(account, "r1", 1)
    found = await listed(ledger, "ListReservations", "reservations", account_id=account)
    assert [one.reservation_id for one in found] == ["r0", "r2", "r3", "r4"]
    older = await listed(ledger, "ListReservations", "reservations", account_id=account, created_before=third)
    assert [one.reservation_id for one in older] == ["r0"]


async def another(ledger: LedgerClient) -> str:
    """One more account that holds 100 microcredits."""
    account_id = f"a-{ids.uuid7()}"
    await ledger.open(account_id)
    await ledger.grant(account_id, 100)
    return account_id


async def all_open(ledger: LedgerClient, **fields: Any) -> list[tuple[str, str]]:
    """Account and id of all open reservations, five a page."""
    found, token = [], ""
    while True:
        page = await ledger.ask("ListOpenReservations", page_size=5, page_token=token, **fields)
        found += [(one.account_id, one.reservation_id) for one in page.reservations]
        token = page.next_page_token
        if not token:
            return found


async def test_what_all_accounts_have_open_is_listed(ledger: LedgerClient, account: str) -> None:
    """Each once, whatever shard it is on; or only those made before a time."""
    accounts = [account, *[await another(ledger) for _ in range(12)]]
    for one in accounts:
        for number in range(3):
            made = await ledger.reserve(one, f"r{number}", 1)
    await ledger.capture(accounts[5], "r1", 1)
    wanted = {(one, f"r{number}") for one in accounts for number in range(3)} - {(accounts[5], "r1")}
    found = await all_open(ledger)
    assert len(found) == len(set(found))
    assert {name for name in found if name[0] in accounts} == wanted
    older = await all_open(ledger, created_before=made.reservation.created_at)
    assert {name for name in older if name[0] in accounts} == wanted - {(accounts[-1], "r2")}


async def test_many_reservations_are_read_at_once(ledger: LedgerClient, account: str) -> None:
    """Open and ended ones of several accounts as each is by itself; what never was is left out."""
    other = await another(ledger)
    for one in (account, other):
        await ledger.reserve(one, "r1", 5)
        await ledger.reserve(one, "r2", 5)
        await ledger.capture(one, "r2", 3)
    await ledger.command("RefundCapture", other, reservation_id="r2", amount_micros=2)
    names = [{"account_id": one, "reservation_id": name} for one in (account, other) for name in ("r1", "r2", "r3")]
    answer = await ledger.ask("BatchGetReservations", names=[*names, {"account_id": "nobody", "reservation_id": "r1"}])
    assert len(answer.reservations) == 4
    for one in answer.reservations:
        assert one == await ledger.reservation(one.account_id, one.reservation_id)


async def test_ended_reservations_are_listed_as_they_ended(ledger: LedgerClient, account: str) -> None:
    """Each state by itself, as the reservation is now: with what was refunded."""
    for number in range(7):
        await ledger.reserve(account, f"r{number}", 5, seconds=1 if number == 6 else 600)
    for number in (2, 0, 1):
        await ledger.capture(account, f"r{number}", 2, final=False)
        await ledger.capture(account, f"r{number}", 3)
    await ledger.command("RefundCapture", account, reservation_id="r0", amount_micros=2)
    await ledger.release(account, "r4")
    states = ledger_pb2.Reservation

    async def found(state: int, **fields: Any) -> list[Any]:
        return await listed(ledger, "ListReservations", "reservations", account_id=account, state=state, **fields)

    captured = await found(states.STATE_CAPTURED)
    assert [(one.reservation_id, one.refunded_micros) for one in captured] == [("r2", 0), ("r0", 2), ("r1", 0)]
    assert [(one.captured_micros, one.released_micros) for one in captured] == [(3, 2)] * 3
    assert captured[1] == await ledger.reservation(account, "r0")
    assert [one.reservation_id for one in await found(states.STATE_RELEASED)] == ["r4"]
    first = captured[1].created_at
    assert await found(states.STATE_CAPTURED, created_before=first) == []

    async def expired() -> list[Any]:
        return await found(states.STATE_EXPIRED)

    assert [one.reservation_id for one in await eventually(expired, 10)] == ["r6"]
    assert [one.reservation_id for one in await found(states.STATE_OPEN)] == ["r3", "r5"]


async def test_grants_are_listed_dead_ones_too(ledger: LedgerClient) -> None:
    """Newest first, each with its state, what is left of it, and all that was said when it was made."""
    account = f"a-{ids.uuid7()}"
    await ledger.open(account)
    made = {
        "lapsing": await ledger.grant(account, 10, expires_at=ahead(1)),
        "voided": await ledger.grant(account, 20),
        "live": await ledger.grant(
            account, 30, paid={"amount_micros": 9, "currency": "EUR"}, subject={"reference": "order-7"}
        ),
        "scheduled": await ledger.grant(account, 40, effective_at=ahead(3_600)),
    }
    ids_ = {word: answer.grant.grant_id for word, answer in made.items()}
    await ledger.command("VoidGrant", account, grant_id=ids_["voided"], reason="mistake")
    await ledger.reserve(account, "r", 8)

    async def expired() -> bool:
        return bool((await ledger.balance(account)).expired_micros)

    await eventually(expired, 10)
    found = await listed(ledger, "ListGrants", "grants", account_id=account)
    states = ledger_pb2.Grant
    # The reservation holds eight of the ten that were about to lapse; the other two did.
    assert [(one.grant_id, one.state, one.amount_micros) for one in found] == [
        (ids_["scheduled"], states.STATE_SCHEDULED, 40),
        (ids_["live"], states.STATE_LIVE, 30),
        (ids_["voided"], states.STATE_VOIDED, 20),
        (ids_["lapsing"], states.STATE_EXPIRED, 10),
    ]
    assert [(one.available_micros, one.reserved_micros) for one in found] == [(0, 0), (30, 0), (0, 0), (0, 8)]
    assert (found[1].paid.amount_micros, found[1].paid.currency, found[1].reference) == (9, "EUR", "order-7")
    for word, state in (("live", states.STATE_LIVE), ("lapsing", states.STATE_EXPIRED)):
        only = await listed(ledger, "ListGrants", "grants", account_id=account, state=state)
        assert [one.grant_id for one in only] == [ids_[word]]


async def test_a_refund_to_a_dead_grant_is_listed_as_a_grant(ledger: LedgerClient, account: str) -> None:
    """Its amount is what no other grant could take back."""
    made = await ledger.grant(account, 10, priority=1)
    await ledger.reserve(account, "r", 15)
    await ledger.capture(account, "r", 15)
    await ledger.command("VoidGrant", account, grant_id=made.grant.grant_id)
    refunded = await ledger.command("RefundCapture", account, reservation_id="r", amount_micros=15)
    (newest, dead, first) = await listed(ledger, "ListGrants", "grants", account_id=account)
    assert (newest.grant_id, newest.amount_micros, newest.source) == (
        refunded.grant_id,
        10,
        events_pb2.GRANT_SOURCE_REFUND,
    )
    assert (dead.state, first.available_micros) == (ledger_pb2.Grant.STATE_VOIDED, 100)


async def test_the_grants_of_a_closed_account_are_voided(ledger: LedgerClient, account: str) -> None:
    """They were withdrawn with it, although none of their own events says so."""
    closing = {"state": ledger_pb2.Account.STATE_CLOSED, "disposal": ledger_pb2.UpdateAccountRequest.DISPOSAL_VOID}
    await ledger.command("UpdateAccount", account, **closing)
    (only,) = (await ledger.ask("ListGrants", account_id=account)).grants
    assert (only.state, only.available_micros) == (ledger_pb2.Grant.STATE_VOIDED, 0)


async def test_an_open_reservation_tells_what_was_refunded_of_it(ledger: LedgerClient, account: str) -> None:
    """Captured in part, refunded in part, and still open."""
    await ledger.reserve(account, "r", 50)
    await ledger.capture(account, "r", 20, final=False)
    await ledger.command("RefundCapture", account, reservation_id="r", amount_micros=5)
    found = await ledger.reservation(account, "r")
    assert (found.state, found.captured_micros, found.refunded_micros) == (ledger_pb2.Reservation.STATE_OPEN, 20, 5)


async def test_events_of_a_shard_that_is_not_there_are_refused(ledger: LedgerClient, account: str) -> None:
    """A cursor of an unknown shard is the caller's mistake, not an empty answer."""
    assert any(event.account_id == account for batch in await ledger.events() for event in batch.events)
    with pytest.raises(Refusal) as refused:
        await anext(ledger.stream("ReadEvents", cursors=[ledger_pb2.ShardCursor(shard=16, after_seq=1)]))
    assert (refused.value.reason, refused.value.metadata["field"]) == ("REQUEST_INVALID", "cursors")


async def test_watchers_are_bounded(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than may is told to come again, and may when another has gone."""
    monkeypatch.setattr(watch, "WATCHERS_MAX", 1)
    async with running(databases.create("ledger"), "test") as (ledger,):
        await done(ledger, open_account("demo"))
        watching = watch.Watch(ledger)
        first = watching.balances("demo")
        await anext(first)
        with pytest.raises(Refusal) as refused:
            await anext(watching.balances("demo"))
        assert refused.value.reason == "RATE_LIMITED"
        await first.aclose()
        second = watching.balances("demo")
        await anext(second)
        await second.aclose()
