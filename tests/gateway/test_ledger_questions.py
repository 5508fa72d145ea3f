"""What is asked about accounts, as the ledger is asked it and as its answers look."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from scrip.ledger.v1 import events_pb2, ledger_pb2

from services.analytics.projections import credit_movements
from services.gateway import ledger_mapping
from services.ledger.domain import errors
from services.runtime.errors import REASONS, invalid
from tests.gateway.conftest import problem
from tests.gateway.scripted_ledger import ADMIN_KEY, USER_KEY, ScriptedLedger, routes

ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}
USER = {"Authorization": f"Bearer {USER_KEY}"}
ACME = "/v1/admin/accounts/acme"


@pytest.fixture
def ledger() -> ScriptedLedger:
    return ScriptedLedger()


@pytest.fixture
async def http(ledger: ScriptedLedger) -> AsyncIterator[httpx.AsyncClient]:
    async with routes(ledger) as client:
        yield client


def test_every_kind_of_event_has_a_word() -> None:
    """Whoever adds a kind of event says what a statement calls it; the words are the analysts' too."""
    assert set(ledger_mapping.KINDS.values()) == set(events_pb2.EventKind.values()) - {0}
    analysts = {word: kind for kind, word in credit_movements.WORDS.items() if word}
    assert analysts.items() <= dict(ledger_mapping.KINDS).items()


def test_every_source_of_grants_has_a_word() -> None:
    """A grant is never from elsewhere."""
    assert set(ledger_mapping.SOURCES.values()) == set(events_pb2.GrantSource.values()) - {0}


def test_every_reason_of_the_ledger_has_a_status() -> None:
    """Whatever the ledger refuses, a caller is told, and not that something failed."""
    reasons = {error.reason for error in errors.CommandRefusedError.__subclasses__()}
    assert reasons <= set(REASONS)


@pytest.mark.parametrize(("path", "headers"), [("/v1/account/statement", USER), (f"{ACME}/statement", ADMIN)])
async def test_a_statement_is_filtered(
    ledger: ScriptedLedger, http: httpx.AsyncClient, path: str, headers: dict[str, str]
) -> None:
    """Kinds by their words, times, reservation and grant reach the ledger; how far it was read reaches the caller."""
    ledger.answers["ListEntries"] = ledger_pb2.ListEntriesResponse(next_page_token="n", as_of_position="3:9")
    query = (
        "?kind=granted,refunded&kind=reduced&from=2030-01-01T00:00:00Z&until=2030-01-01T02:00:00%2B01:00"
        "&reservation_id=job_1&grant_id=g&page_size=7&page_token=t"
    )
    answer = await http.get(path + query, headers=headers)
    assert answer.json() == {"entries": [], "next_page_token": "n", "as_of_position": "3:9"}
    asked = ledger.of(ledger_pb2.ListEntriesRequest)
    assert list(asked.kinds) == [
        events_pb2.EVENT_KIND_CREDITS_GRANTED,
        events_pb2.EVENT_KIND_CAPTURE_REFUNDED,
        events_pb2.EVENT_KIND_BALANCE_REDUCED,
    ]
    assert (getattr(asked, "from").ToJsonString(), asked.until.ToJsonString()) == (
        "2030-01-01T00:00:00Z",
        "2030-01-01T01:00:00Z",
    )
    assert (asked.account_id, asked.reservation_id, asked.grant_id, asked.page_size, asked.page_token) == (
        "acme",
        "job_1",
        "g",
        7,
        "t",
    )


async def test_an_entry_says_all_it_knows(ledger: ScriptedLedger, http: httpx.AsyncClient) -> None:
    """What an entry has is shown, what it has not is left out."""
    sent = ledger_pb2.Entry(
        position="3:8",
        kind=events_pb2.EVENT_KIND_TRANSFER_SENT,
        amount_micros=5,
        available_after_micros=-1,
        transfer_id="t",
        counterpart_account_id="b",
        request_id="k",
        actor="service:gateway",
        subject=ledger_pb2.Subject(key_id="AAAAAAAA"),
    )
    ledger.answers["ListEntries"] = ledger_pb2.ListEntriesResponse(entries=[sent])
    (entry,) = (await http.get("/v1/account/statement", headers=USER)).json()["entries"]
    assert entry == {
        "position": "3:8",
        "recorded_at": "1970-01-01T00:00:00Z",
        "kind": "transfer_sent",
        "amount": "0.000005",
        "available_after": "-0.000001",
        "reserved_after": "0",
        "transfer_id": "t",
        "counterpart_account_id": "b",
        "request_id": "k",
        "key_id": "AAAAAAAA",
        "actor": "service:gateway",
    }


@pytest.mark.parametrize(("path", "headers"), [("/v1/account", USER), (ACME, ADMIN)])
async def test_reservations_and_grants_are_asked_by_state(
    ledger: ScriptedLedger, http: httpx.AsyncClient, path: str, headers: dict[str, str]
) -> None:
    """A state is its word; without one the ledger's own default is asked for."""
    held = ledger_pb2.Reservation(
        reservation_id="job_1", account_id="acme", state=ledger_pb2.Reservation.STATE_CAPTURED, refunded_micros=1
    )
    held.created_at.FromSeconds(1)
    ledger.answers["ListReservations"] = ledger_pb2.ListReservationsResponse(reservations=[held])
    query = "?state=CAPTURED&created_before=2030-01-01T00:00:00Z"
    (shown,) = (await http.get(f"{path}/reservations{query}", headers=headers)).json()["reservations"]
    assert (shown["state"], shown["job_id"], shown["refunded"], shown["ended_at"]) == (
        "CAPTURED",
        "job_1",
        "0.000001",
        None,
    )
    asked = ledger.of(ledger_pb2.ListReservationsRequest)
    assert asked.state == ledger_pb2.Reservation.STATE_CAPTURED
    assert asked.created_before.ToJsonString() == "2030-01-01T00:00:00Z"
    answer = await http.get(f"{path}/grants?page_size=3", headers=headers)
    assert answer.json() == {"grants": [], "next_page_token": "", "as_of_position": ""}
    grants = ledger.of(ledger_pb2.ListGrantsRequest)
    assert (grants.account_id, grants.state, grants.page_size) == ("acme", 0, 3)


async def test_a_balance_is_told_as_it_was(ledger: ScriptedLedger, http: httpx.AsyncClient) -> None:
    """At a time or at a position; the answer says for when it holds."""
    answer = await http.get(f"{ACME}?at=2030-01-01T00:00:00Z", headers=ADMIN)
    assert (answer.status_code, answer.json()["as_of_position"]) == (200, "3:7")
    await http.get(f"{ACME}?position=3:42", headers=ADMIN)
    at, position = ledger.asked
    assert (at.at.ToJsonString(), at.at_position) == ("2030-01-01T00:00:00Z", "")
    assert (position.HasField("at"), position.at_position) == (False, "3:42")


async def test_a_balance_is_explained(ledger: ScriptedLedger, http: httpx.AsyncClient) -> None:
    """In a sentence of credits, and with the entries that led to it."""
    credits = ledger_pb2.Credits(granted_micros=10_000_000, available_micros=3_000_000, spent_micros=7_000_000)
    last = ledger_pb2.Entry(
        position="3:9",
        kind=events_pb2.EVENT_KIND_RESERVATION_CAPTURED,
        amount_micros=7_000_000,
        reservation_id="job_1",
    )
    ledger.answers["ExplainBalance"] = ledger_pb2.ExplainBalanceResponse(credits=credits, entries=[last])
    body = (await http.get(f"{ACME}/explain?position=3:9&page_size=2", headers=ADMIN)).json()
    assert body["summary"] == (
        "At 3:9 account acme has 3 credits available and 0 reserved: of 10 that came in, 7 are spent, 0 expired and"
        " 0 were withdrawn. Its last entry is captured 7 credits of job_1 at 1970-01-01T00:00:00Z."
    )
    assert (body["credits"]["available"], len(body["entries"])) == ("3", 1)
    asked = ledger.of(ledger_pb2.ExplainBalanceRequest)
    assert (asked.request_id, asked.at_position, asked.page_size) == ("", "3:9", 2)


@pytest.mark.parametrize(
    ("entry", "summary"),
    [
        (
            ledger_pb2.Entry(
                kind=events_pb2.EVENT_KIND_REQUEST_REFUSED, amount_micros=5_000_000, reason="INSUFFICIENT_CREDITS"
            ),
            "It was refused at 1970-01-01T00:00:00Z, INSUFFICIENT_CREDITS: 5 credits were required, 3 were available"
            " and 0 reserved; 2 were lacking.",
        ),
        (
            ledger_pb2.Entry(
                kind=events_pb2.EVENT_KIND_REQUEST_REFUSED,
                amount_micros=5_000_000,
                reason="INSUFFICIENT_CREDITS",
                reservation_id="job_1",
                position="3:9",
            ),
            "It was refused at 1970-01-01T00:00:00Z, INSUFFICIENT_CREDITS: 5 credits were required, 3 were available"
            " and 0 reserved, with a credit limit of 1.5; 0.5 were lacking.",
        ),
        (
            ledger_pb2.Entry(
                kind=events_pb2.EVENT_KIND_BALANCE_REDUCED, amount_micros=500_000, available_after_micros=2_500_000
            ),
            "It led to the entry reduced 0.5 credits at 1970-01-01T00:00:00Z: available credits went from 3 to 2.5,"
            " reserved ones from 0 to 0.",
        ),
        (None, "Nothing came of it."),
    ],
)
async def test_a_request_is_explained(
    ledger: ScriptedLedger, http: httpx.AsyncClient, entry: ledger_pb2.Entry | None, summary: str
) -> None:
    """What it led to or why it was refused, and the balance right before; where nothing came of it there is none."""
    found = ledger_pb2.ExplainBalanceResponse(summary="Nothing came of it.")
    if entry:
        found.entries.append(entry)
        found.credits.available_micros = 3_000_000
    ledger.answers["ExplainBalance"] = found
    ledger.answers["GetBalance"] = ledger_pb2.GetBalanceResponse(
        account=ledger_pb2.Account(credit_limit_micros=1_500_000)
    )
    body = (await http.get(f"{ACME}/explain?request_id=k1", headers=ADMIN)).json()
    assert body["summary"] == summary
    assert ("credits" in body, len(body["entries"])) == ((True, 1) if entry else (False, 0))
    assert ledger.of(ledger_pb2.ExplainBalanceRequest).request_id == "k1"


async def test_the_books_are_told(ledger: ScriptedLedger, http: httpx.AsyncClient) -> None:
    """Each book signed, in credits."""
    ledger.answers["GetTotals"] = ledger_pb2.GetTotalsResponse(
        available_micros=5_000_000, revenue_micros=1, issuance_micros=-5_000_001, positions=["0:1", "1:0"]
    )
    assert (await http.get("/v1/admin/ledger/totals", headers=ADMIN)).json() == {
        "available": "5",
        "reserved": "0",
        "revenue": "0.000001",
        "breakage": "0",
        "transit": "0",
        "issuance": "-5.000001",
        "positions": ["0:1", "1:0"],
    }


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/statement?kind=transferred", "kind"),
        ("/statement?kind=", "kind"),
        ("/statement?kinds=granted", "kinds"),
        ("/statement?from=2030-01-01", "from"),
        ("/statement?from=2030-01-01T00:00:00", "from"),
        ("/statement?until=2030-13-01T00:00:00Z", "until"),
        ("/statement?from=9999-12-31T23:59:60Z", "from"),
        ("/statement?until=0001-01-01T00:00:00%2B01:00", "until"),
        ("/statement?until=9999-12-31T23:00:00-05:00", "until"),
        ("/statement?reservation_id=", "reservation_id"),
        ("/statement?grant_id=a&grant_id=b", "grant_id"),
        ("/statement?page_size=0", "page_size"),
        ("/reservations?state=open", "state"),
        ("/reservations?state=OPEN,CAPTURED", "state"),
        ("/grants?state=OPEN", "state"),
        ("?at=yesterday", "at"),
        ("?position=42", "position"),
        ("?position=1:2&at=2030-01-01T00:00:00Z", "position"),
        ("/explain?position=1:2&request_id=k", "request_id"),
        ("/explain?page_size=201", "page_size"),
    ],
)
async def test_a_bad_parameter_is_named(ledger: ScriptedLedger, http: httpx.AsyncClient, path: str, field: str) -> None:
    """A parameter that is wrong or unknown is refused with its name, and nothing is asked."""
    answer = await http.get(ACME + path, headers=ADMIN)
    assert problem(answer) == (400, "REQUEST_INVALID"), answer.text
    assert answer.json()["field"] == field
    assert ledger.asked == []


async def test_a_plus_may_stay_a_plus(ledger: ScriptedLedger, http: httpx.AsyncClient) -> None:
    """An offset whose plus was not encoded, and so arrives as a space, is understood."""
    await http.get(f"{ACME}?at=2030-01-01T01:00:00+01:00", headers=ADMIN)
    assert ledger.of(ledger_pb2.GetBalanceRequest).at.ToJsonString() == "2030-01-01T00:00:00Z"


async def test_a_position_of_another_shard_is_the_callers_mistake(
    ledger: ScriptedLedger, http: httpx.AsyncClient
) -> None:
    """The ledger's complaint is told under the parameter's name."""
    ledger.answers["GetBalance"] = invalid("at_position", "is of shard 4, the account's is 3")
    answer: Any = await http.get(f"{ACME}?position=4:1", headers=ADMIN)
    assert problem(answer) == (400, "REQUEST_INVALID")
    assert answer.json()["detail"] == "position: is of shard 4, the account's is 3"
