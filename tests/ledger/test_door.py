"""The ledger through its gRPC door."""

import pytest
from google.protobuf.duration_pb2 import Duration

from scrip.ledger.v1 import events_pb2, ledger_pb2, ledger_pb2_grpc
from services.runtime import ids
from tests.harness.processes import Services


async def test_credits_are_reserved_captured_and_the_rest_returns(services: Services) -> None:
    """What is captured is spent, the rest of a reservation is available again."""
    await services.start("ledger")
    peer = services.peer("ledger")
    stub = ledger_pb2_grpc.LedgerServiceStub(peer.channel)
    await peer.call(stub.OpenAccount, ledger_pb2.OpenAccountRequest(request_id=ids.uuid7(), account_id="demo"))
    await peer.call(
        stub.GrantCredits,
        ledger_pb2.GrantCreditsRequest(
            request_id=ids.uuid7(), account_id="demo", amount_micros=100, source=events_pb2.GRANT_SOURCE_PROMOTION
        ),
    )
    reserved = await peer.call(
        stub.ReserveCredits,
        ledger_pb2.ReserveCreditsRequest(
            request_id=ids.uuid7(), account_id="demo", reservation_id="r1", amount_micros=60, ttl=Duration(seconds=60)
        ),
    )
    assert reserved.reservation.reserved_micros == 60
    captured = await peer.call(
        stub.CaptureReservation,
        ledger_pb2.CaptureReservationRequest(
            request_id=ids.uuid7(), account_id="demo", reservation_id="r1", captured_total_micros=25, final=True
        ),
    )
    assert captured.reservation.state == ledger_pb2.Reservation.STATE_CAPTURED
    balance = await peer.call(stub.GetBalance, ledger_pb2.GetBalanceRequest(account_id="demo"))
    assert (balance.credits.available_micros, balance.credits.spent_micros) == (75, 25)
    entries = await peer.call(stub.ListEntries, ledger_pb2.ListEntriesRequest(account_id="demo"))
    assert [entry.kind for entry in entries.entries] == [
        events_pb2.EVENT_KIND_RESERVATION_CAPTURED,
        events_pb2.EVENT_KIND_CREDITS_RESERVED,
        events_pb2.EVENT_KIND_CREDITS_GRANTED,
        events_pb2.EVENT_KIND_ACCOUNT_OPENED,
    ]
