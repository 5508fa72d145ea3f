"""The ledger through its gRPC door: what it answers, refuses and remembers."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from scrip.ledger.v1 import events_pb2, ledger_pb2

from services.runtime import clock
from services.runtime.errors import Refusal
from tests.harness.processes import Services
from tests.harness.waiting import eventually
from tests.ledger.client import LedgerClient


@pytest.fixture
async def ledger(services: Services) -> AsyncIterator[LedgerClient]:
    """A ledger with account `demo` that holds 100 microcredits."""
    await services.start("ledger")
    client = LedgerClient(services)
    await client.open("demo")
    await client.grant("demo", 100)
    yield client


async def test_credits_are_reserved_captured_and_the_rest_returns(ledger: LedgerClient) -> None:
    """What is captured is spent, the rest of a reservation is available again, and the statement tells all of it."""
    assert (await ledger.reserve("demo", "r1", 60)).reservation.reserved_micros == 60
    captured = await ledger.capture("demo", "r1", 25)
    assert captured.reservation.state == ledger_pb2.Reservation.STATE_CAPTURED
    credits = await ledger.balance("demo")
    assert (credits.available_micros, credits.spent_micros) == (75, 25)
    page = await ledger.peer.call(
        ledger.stub.ListEntries, ledger_pb2.ListEntriesRequest(account_id="demo", page_size=2)
    )
    assert [(e.kind, e.available_after_micros) for e in page.entries] == [
        (events_pb2.EVENT_KIND_RESERVATION_CAPTURED, 75),
        (events_pb2.EVENT_KIND_CREDITS_RESERVED, 40),
    ]
    rest = await ledger.peer.call(
        ledger.stub.ListEntries, ledger_pb2.ListEntriesRequest(account_id="demo", page_token=page.next_page_token)
    )
    assert [e.kind for e in rest.entries] == [
        events_pb2.EVENT_KIND_CREDITS_GRANTED,
        events_pb2.EVENT_KIND_ACCOUNT_OPENED,
    ]
    assert rest.as_of_position == page.entries[0].position


async def test_nobody_overdraws_however_many_ask_at_once(ledger: LedgerClient) -> None:
    """Of fifty concurrent reserves of a tenth each, ten succeed."""
    answers = await asyncio.gather(
        *(ledger.reserve("demo", f"r{number}", 10) for number in range(50)), return_exceptions=True
    )
    refused = [answer for answer in answers if isinstance(answer, Refusal)]
    assert len(refused) == 40
    assert {refusal.reason for refusal in refused} == {"INSUFFICIENT_CREDITS"}
    assert (await ledger.balance("demo")).reserved_micros == 100


async def test_a_request_id_acts_once_and_its_replay_answers_the_same(ledger: LedgerClient) -> None:
    """Grants, reserves and refusals alike: the second call tells what the first did."""
    first = await ledger.grant("demo", 7, request_id="g")
    again = await ledger.grant("demo", 7, request_id="g")
    assert again.replayed and not first.replayed
    assert (again.grant, again.position) == (first.grant, first.position)
    with pytest.raises(Refusal) as refused:
        await ledger.reserve("demo", "big", 1_000, request_id="r")
    await ledger.grant("demo", 10_000)
    with pytest.raises(Refusal) as replayed:
        await ledger.reserve("demo", "big", 1_000, request_id="r")
    assert replayed.value.metadata == refused.value.metadata
    assert replayed.value.metadata == {"required_micros": "1000", "available_micros": "107", "reserved_micros": "0"}
    with pytest.raises(Refusal) as reused:
        await ledger.grant("demo", 8, request_id="g")
    assert (reused.value.reason, reused.value.http_status) == ("REQUEST_ID_REUSED", 422)


async def test_a_batch_answers_each_command_by_itself(ledger: LedgerClient) -> None:
    """A refused or malformed command does not touch its neighbours."""
    reserve = ledger_pb2.ReserveCreditsRequest(request_id="a", account_id="demo", reservation_id="r", amount_micros=30)
    reserve.ttl.seconds = 60
    capture = ledger_pb2.CaptureReservationRequest(
        request_id="b", account_id="demo", reservation_id="r", captured_total_micros=30, final=True
    )
    release = ledger_pb2.ReleaseReservationRequest(request_id="c", account_id="nobody", reservation_id="r")
    response = await ledger.peer.call(
        ledger.stub.BatchExecute,
        ledger_pb2.BatchExecuteRequest(
            commands=[
                ledger_pb2.Command(reserve_credits=reserve),
                ledger_pb2.Command(),
                ledger_pb2.Command(release_reservation=release),
                ledger_pb2.Command(capture_reservation=capture),
            ]
        ),
    )
    kinds = [result.WhichOneof("result") for result in response.results]
    assert kinds == ["reserve_credits", "error", "error", "capture_reservation"]
    assert [response.results[1].error.reason, response.results[2].error.reason] == [
        "REQUEST_INVALID",
        "ACCOUNT_NOT_FOUND",
    ]
    assert response.results[3].capture_reservation.reservation.captured_micros == 30


def soon(days: int) -> Timestamp:
    """So many days from now."""
    return Timestamp(seconds=clock.now_us() // 1_000_000 + days * 24 * 3600)


MALFORMED: list[tuple[str, dict[str, Any], str]] = [
    ("no request id", {"request_id": ""}, "request_id"),
    ("a blank in the request id", {"request_id": "a b"}, "request_id"),
    ("a request id of 129", {"request_id": "x" * 129}, "request_id"),
    ("a control character in the account", {"account_id": "de\x07mo"}, "account_id"),
    ("an account of 64", {"account_id": "a" * 64}, "account_id"),
    ("a negative amount", {"amount_micros": -1}, "amount_micros"),
    ("no ttl", {"ttl": {"seconds": 0}}, "ttl"),
    ("a ttl over 30 days", {"ttl": {"seconds": 31 * 24 * 3600}}, "ttl"),
    ("a reservation id of 129", {"reservation_id": "x" * 129}, "reservation_id"),
    ("not_after over 30 days ahead", {"not_after": soon(31)}, "not_after"),
    ("nine labels", {"subject": {"labels": {str(n): "x" for n in range(9)}}}, "labels"),
    ("a long label", {"subject": {"labels": {"name": "x" * 129}}}, "labels[name]"),
    ("a control character in the reference", {"subject": {"reference": "a\nb"}}, "subject.reference"),
    ("a trace id that is none", {"subject": {"trace_id": "x" * 32}}, "subject.trace_id"),
    ("a negative provider cost", {"subject": {"provider_cost_micros": -1}}, "subject.provider_cost_micros"),
]


@pytest.fixture(scope="module")
def good() -> dict[str, Any]:
    """A reserve that would do."""
    return {"request_id": "q", "account_id": "demo", "reservation_id": "r", "amount_micros": 1, "ttl": {"seconds": 60}}


async def test_malformed_commands_name_the_field_and_change_nothing(ledger: LedgerClient, good: dict[str, Any]) -> None:
    """Each malformed reserve is REQUEST_INVALID naming its field, and leaves nothing reserved."""
    for what, fields, field in MALFORMED:
        with pytest.raises(Refusal) as refused:
            await ledger.peer.call(ledger.stub.ReserveCredits, ledger_pb2.ReserveCreditsRequest(**(good | fields)))
        assert refused.value.reason == "REQUEST_INVALID", what
        assert [violation.field for violation in refused.value.violations] == [field], what
    for amount in (0, -5):
        with pytest.raises(Refusal) as refused:
            await ledger.grant("demo", amount)
        assert refused.value.metadata["field"] == "amount_micros"
    with pytest.raises(Refusal) as refused:
        await ledger.grant("demo", 1, expires_at=soon(-1))
    assert refused.value.metadata["field"] == "expires_at"
    with pytest.raises(Refusal) as late:
        await ledger.reserve("demo", "r", 1, not_after=soon(-1))
    assert late.value.reason == "REQUEST_EXPIRED"
    assert (await ledger.balance("demo")).reserved_micros == 0


async def test_every_method_needs_a_service_token(ledger: LedgerClient) -> None:
    """Without a token, or with a wrong one, nothing is answered but UNAUTHENTICATED."""
    for metadata in ((), (("authorization", "Bearer scrip_svc_gateway_wrong"),)):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ledger.stub.GetBalance(ledger_pb2.GetBalanceRequest(account_id="demo"), metadata=metadata, timeout=5)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_reservation_ends_by_its_time_without_any_caller(ledger: LedgerClient) -> None:
    """A quiet shard wakes for what is due and writes the event."""
    await ledger.reserve("demo", "short", 40, seconds=1)

    async def expired() -> bool:
        kinds = [event.kind for batch in await ledger.events() for event in batch.events]
        return events_pb2.EVENT_KIND_RESERVATION_EXPIRED in kinds

    await eventually(expired, 5)
    state = (await ledger.reservation("demo", "short")).state
    assert state == ledger_pb2.Reservation.STATE_EXPIRED
    assert (await ledger.balance("demo")).available_micros == 100


async def test_events_of_a_shard_that_is_not_there_are_refused(ledger: LedgerClient) -> None:
    """A cursor of an unknown shard is the caller's mistake, not an empty answer."""
    request = ledger_pb2.ReadEventsRequest(cursors=[ledger_pb2.ShardCursor(shard=16, after_seq=1)])
    with pytest.raises(Refusal) as refused:
        await anext(ledger.peer.stream(ledger.stub.ReadEvents, request, timeout=5))
    assert (refused.value.reason, refused.value.metadata["field"]) == ("REQUEST_INVALID", "cursors")


async def test_a_page_token_that_was_not_given_out_is_refused(ledger: LedgerClient) -> None:
    """Whatever it holds: no base64, no JSON, JSON nested without end, or another account."""
    other = base64.urlsafe_b64encode(b'["other", 1]').decode()
    for token in ("%", "AAAA", base64.urlsafe_b64encode(b"[" * 90_000).decode(), other):
        request = ledger_pb2.ListEntriesRequest(account_id="demo", page_token=token)
        with pytest.raises(Refusal) as refused:
            await ledger.peer.call(ledger.stub.ListEntries, request)
        assert refused.value.metadata["field"] == "page_token", token[:10]
