"""The ledger through its gRPC door: what it does, remembers and lets nobody do."""

import asyncio
import itertools
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from scrip.ledger.v1 import events_pb2, ledger_pb2

from services.ledger.application.ledger import shard_of
from services.runtime import ids
from services.runtime.errors import Refusal
from tests.harness.processes import Services
from tests.harness.waiting import eventually
from tests.ledger.client import LedgerClient, ahead

_SERVICE = "scrip.ledger.v1.LedgerService"


async def test_credits_are_reserved_captured_and_the_rest_returns(ledger: LedgerClient, account: str) -> None:
    """What is captured is spent, and the rest of a reservation is available again."""
    assert (await ledger.reserve(account, "r1", 60)).reservation.reserved_micros == 60
    captured = await ledger.capture(account, "r1", 25)
    assert captured.reservation.state == ledger_pb2.Reservation.STATE_CAPTURED
    credits = await ledger.balance(account)
    assert (credits.available_micros, credits.reserved_micros, credits.spent_micros) == (75, 0, 25)


async def test_nobody_overdraws_however_many_ask_at_once(ledger: LedgerClient, account: str) -> None:
    """Of fifty concurrent reserves of a tenth each, ten succeed."""
    answers = await asyncio.gather(
        *(ledger.reserve(account, f"r{number}", 10) for number in range(50)), return_exceptions=True
    )
    refused = [answer for answer in answers if isinstance(answer, Refusal)]
    assert len(refused) == 40
    assert {refusal.reason for refusal in refused} == {"INSUFFICIENT_CREDITS"}
    assert (await ledger.balance(account)).reserved_micros == 100


async def test_an_account_is_frozen_unfrozen_and_closed(ledger: LedgerClient, account: str) -> None:
    """Frozen it refuses to reserve, active again it does not, and closed it loses what it had."""
    change = {"method": "UpdateAccount", "account_id": account}
    frozen = await ledger.command(**change, state=ledger_pb2.Account.STATE_FROZEN, reason="audit")
    assert frozen.account.state == ledger_pb2.Account.STATE_FROZEN
    with pytest.raises(Refusal) as refused:
        await ledger.reserve(account, "r", 1)
    assert refused.value.reason == "ACCOUNT_FROZEN"
    await ledger.command(**change, state=ledger_pb2.Account.STATE_ACTIVE)
    await ledger.reserve(account, "r", 1)
    await ledger.release(account, "r")
    await ledger.command(
        **change, state=ledger_pb2.Account.STATE_CLOSED, disposal=ledger_pb2.UpdateAccountRequest.DISPOSAL_VOID
    )
    closed = await ledger.ask("GetAccount", account_id=account)
    assert closed.account.state == ledger_pb2.Account.STATE_CLOSED
    assert (await ledger.balance(account)).voided_micros == 100


async def test_a_credit_limit_lets_available_credits_go_below_zero(ledger: LedgerClient) -> None:
    """Down to minus the limit; what is spent so is owed, and the next grant repays it."""
    account = f"a-{ids.uuid7()}"
    opened = await ledger.open(account, credit_limit_micros=50)
    assert opened.account.credit_limit_micros == 50
    await ledger.reserve(account, "r", 50)
    await ledger.capture(account, "r", 50)
    assert (await ledger.ask("GetAccount", account_id=account)).account.owed_micros == 50
    assert (await ledger.balance(account)).available_micros == -50
    with pytest.raises(Refusal) as refused:
        await ledger.command("UpdateAccount", account, credit_limit_micros=49)
    assert (refused.value.reason, refused.value.metadata["used_micros"]) == ("CREDIT_LIMIT_BELOW_USED", "50")
    await ledger.grant(account, 80)
    answer = await ledger.ask("GetBalance", account_id=account)
    assert (answer.account.owed_micros, answer.credits.available_micros) == (0, 30)


async def test_captured_credits_are_refunded_in_parts(ledger: LedgerClient, account: str) -> None:
    """At most what was captured; each answer tells the total."""
    await ledger.reserve(account, "r", 60)
    await ledger.capture(account, "r", 60)
    first = await ledger.command("RefundCapture", account, reservation_id="r", amount_micros=20, reason="late")
    second = await ledger.command("RefundCapture", account, reservation_id="r", amount_micros=40)
    assert [(one.amount_micros, one.refunded_total_micros) for one in (first, second)] == [(20, 20), (40, 60)]
    assert (await ledger.reservation(account, "r")).refunded_micros == 60
    with pytest.raises(Refusal) as refused:
        await ledger.command("RefundCapture", account, reservation_id="r", amount_micros=1)
    assert refused.value.reason == "REFUND_EXCEEDS_CAPTURED"
    assert (await ledger.balance(account)).available_micros == 100


async def test_a_balance_is_adjusted_up_and_down(ledger: LedgerClient, account: str) -> None:
    """What adds is a grant, what takes comes out of what is available."""
    added = await ledger.command("AdjustBalance", account, amount_micros=5, reason="goodwill")
    taken = await ledger.command("AdjustBalance", account, amount_micros=-30, reason="mistake")
    assert (added.available_after_micros, taken.available_after_micros) == (105, 75)
    assert added.grant_id and not taken.grant_id
    with pytest.raises(Refusal) as refused:
        await ledger.command("AdjustBalance", account, amount_micros=-76, reason="too much")
    assert (refused.value.reason, refused.value.metadata["required_micros"]) == ("INSUFFICIENT_CREDITS", "76")


@pytest.mark.parametrize("same_shard", [True, False])
async def test_credits_are_transferred_whatever_the_shards(
    ledger: LedgerClient, account: str, same_shard: bool
) -> None:
    """They leave one account and are a grant of the other."""
    names = (f"to-{ids.uuid7()}" for _ in itertools.count())
    other = next(name for name in names if (shard_of(name, 16) == shard_of(account, 16)) is same_shard)
    await ledger.open(other)
    sent = await ledger.command("TransferCredits", account, to_account_id=other, amount_micros=70)
    assert (sent.transfer.state, sent.transfer.amount_micros) == (ledger_pb2.Transfer.STATE_COMPLETED, 70)
    assert (await ledger.balance(account)).available_micros == 30
    assert (await ledger.balance(other)).available_micros == 70
    listed = await ledger.ask("ListGrants", account_id=other)
    assert [(g.source, g.transfer_id) for g in listed.grants] == [
        (events_pb2.GRANT_SOURCE_TRANSFER, sent.transfer.transfer_id)
    ]


async def test_a_transfer_needs_an_account_that_can_take_it(ledger: LedgerClient, account: str) -> None:
    """One that is not there, or is closed, is named, and nothing has left."""
    closed = f"closed-{ids.uuid7()}"
    await ledger.open(closed)
    await ledger.command("UpdateAccount", closed, state=ledger_pb2.Account.STATE_CLOSED)
    for other, reason in (("nobody", "ACCOUNT_NOT_FOUND"), (closed, "ACCOUNT_CLOSED")):
        with pytest.raises(Refusal) as refused:
            await ledger.command("TransferCredits", account, to_account_id=other, amount_micros=1)
        assert (refused.value.reason, refused.value.metadata["account_id"]) == (reason, other)
    assert (await ledger.balance(account)).available_micros == 100


async def test_every_method_needs_a_service_token(ledger: LedgerClient, account: str) -> None:
    """Without a token, or with a wrong one, nothing is answered but UNAUTHENTICATED."""
    for metadata in ((), (("authorization", "Bearer scrip_svc_gateway_wrong"),)):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ledger.stub.GetBalance(ledger_pb2.GetBalanceRequest(account_id=account), metadata=metadata, timeout=5)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_reservation_ends_by_its_time_without_any_caller(ledger: LedgerClient, account: str) -> None:
    """A quiet shard wakes for what is due and writes the event."""
    await ledger.reserve(account, "short", 40, seconds=1)

    async def expired() -> bool:
        events = [event for batch in await ledger.events() for event in batch.events]
        return any(e.kind == events_pb2.EVENT_KIND_RESERVATION_EXPIRED and e.account_id == account for e in events)

    await eventually(expired, 10)
    assert (await ledger.reservation(account, "short")).state == ledger_pb2.Reservation.STATE_EXPIRED
    assert (await ledger.balance(account)).available_micros == 100


async def test_a_grant_made_ahead_of_its_time_comes_in_then(ledger: LedgerClient, account: str) -> None:
    """Until it is effective it is scheduled and counts for nothing."""
    made = await ledger.grant(account, 7, effective_at=ahead(1))
    assert (made.grant.state, made.grant.available_micros) == (ledger_pb2.Grant.STATE_SCHEDULED, 0)
    assert (await ledger.balance(account)).available_micros in (100, 107)

    async def came_in() -> bool:
        return bool((await ledger.balance(account)).available_micros == 107)

    await eventually(came_in, 10)


async def test_whoever_knows_nothing_but_the_address_finds_the_way_by_reflection(
    process: Services, account: str
) -> None:
    """Services are listed, their messages described, and a balance is asked for with these alone."""
    async with grpc.aio.insecure_channel(process.address("ledger")) as channel:
        ask = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
        listed = await _reflected(ask, reflection_pb2.ServerReflectionRequest(list_services=""))
        assert _SERVICE in [service.name for service in listed.list_services_response.service]
        pool = descriptor_pool.DescriptorPool()
        await _add_file(ask, pool, reflection_pb2.ServerReflectionRequest(file_containing_symbol=_SERVICE))
        method = pool.FindServiceByName(_SERVICE).FindMethodByName("GetBalance")
        request_type = message_factory.GetMessageClass(method.input_type)
        response_type = message_factory.GetMessageClass(method.output_type)
        call = channel.unary_unary(
            f"/{_SERVICE}/GetBalance",
            request_serializer=request_type.SerializeToString,
            response_deserializer=response_type.FromString,
        )
        metadata = (("authorization", f"Bearer {process.token}"),)
        answer: Any = await call(request_type(account_id=account), metadata=metadata, timeout=5)
    assert answer.credits.available_micros == 100


async def _add_file(ask: Any, pool: Any, request: Any) -> None:
    """Adds a file's description, those it needs first."""
    answer = await _reflected(ask, request)
    for content in answer.file_descriptor_response.file_descriptor_proto:
        file = descriptor_pb2.FileDescriptorProto.FromString(content)
        for needed in file.dependency:
            try:
                pool.FindFileByName(needed)
            except KeyError:
                await _add_file(ask, pool, reflection_pb2.ServerReflectionRequest(file_by_filename=needed))
        pool.Add(file)


async def _reflected(ask: Any, request: Any) -> Any:
    call = ask(timeout=5)
    await call.write(request)
    await call.done_writing()
    return await call.read()


async def test_many_balances_are_watched_until_their_callers_go(ledger: LedgerClient, account: str) -> None:
    """The present balance comes first, then each change; a caller who goes leaves nothing behind."""
    async with asyncio.timeout(20):
        stream = ledger.stream("WatchBalance", account_id=account)
        first = await anext(stream)
        assert first.credits.available_micros == 100
        await ledger.reserve(account, "r", 30)
        second = await anext(stream)
        assert (second.credits.available_micros, second.credits.reserved_micros) == (70, 30)
        assert int(second.position.partition(":")[2]) > int(first.position.partition(":")[2])
        await stream.aclose()
    with pytest.raises(Refusal) as refused:
        await anext(ledger.stream("WatchBalance", account_id="nobody"))
    assert refused.value.reason == "ACCOUNT_NOT_FOUND"


async def test_a_watched_balance_does_not_hold_up_the_drain(services: Services) -> None:
    """A ledger that is told to stop ends its streams and is gone in time."""
    await services.start("ledger")
    client = LedgerClient(services.peer("ledger"))
    await client.open("demo")
    stream = client.stream("WatchBalance", account_id="demo")
    await anext(stream)
    services.terminate("ledger")
    with pytest.raises((StopAsyncIteration, Refusal)):
        async with asyncio.timeout(20):
            await anext(stream)
    assert services.wait("ledger") == 0


async def test_the_books_of_all_accounts_sum_to_zero(ledger: LedgerClient, account: str) -> None:
    """Whatever was granted, spent, sent and withdrawn."""
    other = f"other-{ids.uuid7()}"
    await ledger.open(other)
    await ledger.reserve(account, "r", 30)
    await ledger.capture(account, "r", 10, final=False)
    await ledger.command("TransferCredits", account, to_account_id=other, amount_micros=20)
    await ledger.command("AdjustBalance", account, amount_micros=-5, reason="test")
    totals = await ledger.ask("GetTotals")
    books = [
        totals.available_micros,
        totals.reserved_micros,
        totals.revenue_micros,
        totals.breakage_micros,
        totals.transit_micros,
        totals.issuance_micros,
    ]
    assert sum(books) == 0
    assert totals.revenue_micros >= 10
    assert len(totals.positions) == 16


async def test_a_log_is_verified(ledger: LedgerClient, account: str) -> None:
    """The shard of an account fits together; a shard that is not there is the caller's mistake."""
    shard = int((await ledger.ask("GetBalance", account_id=account)).position.partition(":")[0])
    found = await ledger.ask("VerifyLog", shard=shard)
    assert found.commits >= 2
    assert list(found.problems) == []
    with pytest.raises(Refusal) as refused:
        await ledger.ask("VerifyLog", shard=16)
    assert (refused.value.reason, refused.value.metadata["field"]) == ("REQUEST_INVALID", "shard")
