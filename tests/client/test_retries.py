"""What may pass is tried again, with the same request, at another replica where one does not answer."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from scrip.ledger.v1 import ledger_pb2

from scrip_client import LedgerClient, LedgerRefusal, LedgerUnavailable, replica, sender
from services.runtime.errors import Refusal, unavailable
from tests.client.double import Command, LedgerDouble, Result, agreed, refused
from tests.client.requests import account_of, asked, command
from tests.harness.waiting import eventually

Code = grpc.StatusCode


@pytest.fixture
async def both(replicas: list[LedgerDouble]) -> AsyncIterator[LedgerClient]:
    """A client of two replicas."""
    async with LedgerClient([one.address for one in replicas], "token") as client:
        yield client


@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.ABORTED])
async def test_a_passing_failure_of_one_command(client: LedgerClient, ledger: LedgerDouble, code: Code) -> None:
    """Only that command is sent again, and its answer is doubtful: `replayed` could speak of ourselves."""
    left = [refused(code, "PASSING")] * 2

    def passing(command: Command) -> Result:
        return left.pop() if command.reserve_credits.request_id == "r" and left else agreed(command)

    ledger.answer = passing
    twice, once = await asyncio.gather(client.answer(command("r")), client.answer(command("s")))
    assert (twice.response.position, twice.doubtful) == ("r", True)
    assert (once.response.position, once.doubtful) == ("s", False)
    assert ledger.calls == [["r", "s"], ["r"], ["r"]]


async def test_a_passing_failure_of_a_call(client: LedgerClient, ledger: LedgerDouble) -> None:
    """All its commands are sent again."""
    left: list[Refusal] = [unavailable("database")]
    ledger.whole_call = lambda _ids: left.pop() if left else None
    answers = await asyncio.gather(client.answer(command("r")), client.answer(command("s")))
    assert [answer.doubtful for answer in answers] == [True, True]
    assert len(ledger.calls[0]) == 2


async def test_attempts_are_bounded(client: LedgerClient, ledger: LedgerDouble) -> None:
    """Then there is no answer, in the ledger's words."""
    ledger.whole_call = lambda _ids: unavailable("database")
    with pytest.raises(LedgerUnavailable, match="database does not answer"):
        await asked(client, "r")
    assert ledger.calls == [["r"]] * sender.ATTEMPTS


async def test_nothing_is_tried_again_after_the_deadline(
    client: LedgerClient, ledger: LedgerDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pause that would not end in time is not begun."""
    monkeypatch.setattr(sender.random, "uniform", lambda _least, _most: 100.0)
    ledger.whole_call = lambda _ids: unavailable("database")
    with pytest.raises(LedgerUnavailable):
        await asked(client, "r")
    assert ledger.calls == [["r"]]


async def test_a_refusal_of_the_caller_is_an_answer(client: LedgerClient, ledger: LedgerDouble) -> None:
    """A token that is not known, for instance: nothing is tried again or parted."""
    ledger.whole_call = lambda _ids: Refusal("UNAUTHENTICATED", "a service token is needed", {"n": 1})
    tasks = [asked(client, "r"), asked(client, "s")]
    for task in tasks:
        with pytest.raises(LedgerRefusal) as told:
            await task
        assert (told.value.reason, told.value.code) == ("UNAUTHENTICATED", Code.UNAUTHENTICATED)
        assert told.value.metadata == {"n": "1"}
    assert ledger.calls == [["r", "s"]]


async def test_a_command_that_breaks_the_call_holds_nobody_up(client: LedgerClient, ledger: LedgerDouble) -> None:
    """A batch the ledger chokes on is parted until the bad command stands alone; whoever was in it was sent twice."""
    ledger.whole_call = lambda ids: Refusal("INTERNAL", "choked") if "bad" in ids else None
    names = [f"r{number}" for number in range(9)]
    bad = asked(client, "bad")
    answers = await asyncio.gather(*(client.answer(command(name)) for name in names))
    assert [(answer.response.position, answer.doubtful) for answer in answers] == [(name, True) for name in names]
    with pytest.raises(LedgerRefusal, match="choked"):
        await bad


async def test_an_account_goes_to_one_replica(both: LedgerClient, replicas: list[LedgerDouble]) -> None:
    """The one its shard prefers, whoever asks and in whatever order the replicas are named."""
    turned = LedgerClient([one.address for one in reversed(replicas)], "token")
    for one in replicas:
        account = account_of(one, replicas)
        await asyncio.gather(asked(both, f"{account}-1", account), asked(turned, f"{account}-2", account))
        assert sorted(name for call in one.calls for name in call) == [f"{account}-1", f"{account}-2"]
    await turned.close()


async def test_another_replica_takes_over(both: LedgerClient, replicas: list[LedgerDouble]) -> None:
    """A command whose replica is gone is answered by the next; later ones do not try the first again."""
    gone, stays = replicas
    account = account_of(gone, replicas)
    assert await asked(both, "before", account) == "before"
    await gone.stop()
    answer = await both.answer(command("r", account))
    assert (answer.response.position, answer.doubtful) == ("r", True)
    assert (await both.answer(command("s", account))).doubtful is False
    assert stays.calls == [["r"], ["s"]]


async def test_a_replica_that_is_back_is_asked_again(
    both: LedgerClient, replicas: list[LedgerDouble], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its cool-down, and no command fails for trying."""
    monkeypatch.setattr(replica, "COOL_DOWN_SECONDS", 0.01)
    monkeypatch.setattr(replica, "COOL_DOWN_SECONDS_MAX", 0.01)
    gone, _ = replicas
    account = account_of(gone, replicas)
    await gone.stop()
    await asked(both, "away", account)
    await gone.start()
    sent = iter(range(10_000))

    async def is_asked() -> bool:
        await asked(both, f"r{next(sent)}", account)
        return bool(gone.calls)

    await eventually(is_asked)


async def test_a_replica_that_hangs_is_passed_over(
    both: LedgerClient, replicas: list[LedgerDouble], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that takes too long ends, and its command goes elsewhere, with those that waited behind it."""
    monkeypatch.setattr(replica, "CALL_SECONDS", 0.05)
    hangs, works = replicas
    account = account_of(hangs, replicas)
    hangs.gate.clear()
    first = asked(both, "first", account)
    await hangs.was_called(1)
    second = asked(both, "second", account)
    assert [await first, await second] == ["first", "second"]
    assert sorted(name for call in works.calls for name in call) == ["first", "second"]
    assert hangs.calls == [["first"]]


async def test_where_no_replica_answers_each_is_tried(both: LedgerClient, replicas: list[LedgerDouble]) -> None:
    """Whoever comes back first answers."""
    account = account_of(replicas[0], replicas)
    left = [unavailable("database")] * 3
    for one in replicas:
        one.whole_call = lambda _ids: left.pop() if left else None
    assert await asked(both, "r", account) == "r"
    assert {len(one.calls) for one in replicas} == {2}


async def test_reads_are_tried_again_and_elsewhere(both: LedgerClient, replicas: list[LedgerDouble]) -> None:
    """The next replica answers while one is gone."""
    account = account_of(replicas[0], replicas)
    await replicas[0].stop()
    balance = await both.get_balance(ledger_pb2.GetBalanceRequest(account_id=account))
    assert balance.account.account_id == account
    assert replicas[1].calls == [[account]]


async def test_reads_are_refused_with_reason_and_numbers(client: LedgerClient, ledger: LedgerDouble) -> None:
    """As commands are."""
    ledger.whole_call = lambda _ids: Refusal("ACCOUNT_NOT_FOUND", "none", {"account_id": "x"})
    with pytest.raises(LedgerRefusal) as told:
        await client.get_balance(ledger_pb2.GetBalanceRequest(account_id="x"))
    assert (told.value.reason, told.value.code, told.value.metadata) == (
        "ACCOUNT_NOT_FOUND",
        Code.NOT_FOUND,
        {"account_id": "x"},
    )
