"""Lists of commands: one result each, in order, in as many calls as it takes."""

import grpc
import pytest

from scrip_client import LedgerClient, sender
from services.runtime.errors import Refusal, unavailable
from tests.client.double import Command, LedgerDouble, Result, agreed, refused
from tests.client.requests import account_of, command

Code = grpc.StatusCode


def positions(results: list[Result]) -> list[str]:
    """The request ids that the answers name."""
    return [result.reserve_credits.position for result in results]


async def test_a_list_is_cut_into_calls(client: LedgerClient, ledger: LedgerDouble) -> None:
    """Of at most a thousand commands; results are in order, and so are the commands of each account."""
    names = [f"r{number}" for number in range(3_500)]
    accounts = {name: f"a-{number % 7}" for number, name in enumerate(names)}
    results = await client.execute_many([command(name, account) for name, account in accounts.items()])
    assert positions(results) == names
    assert max(len(call) for call in ledger.calls) <= 1_000
    sent = [name for call in ledger.calls for name in call]
    for account in set(accounts.values()):
        assert [name for name in sent if accounts[name] == account] == [n for n in names if accounts[n] == account]


async def test_what_fits_a_call_is_one(client: LedgerClient, ledger: LedgerDouble) -> None:
    """And nothing at all is none."""
    assert await client.execute_many([]) == []
    await client.execute_many([command(f"r{number}", f"a-{number}") for number in range(1_000)])
    assert [len(call) for call in ledger.calls] == [1_000]


async def test_each_replica_gets_its_own(replicas: list[LedgerDouble]) -> None:
    """A list is parted by the accounts' replicas, and its results are put together again."""
    accounts = [account_of(one, replicas) for one in replicas]
    async with LedgerClient(",".join(one.address for one in replicas), "token") as client:
        results = await client.execute_many([command(f"r{number}", accounts[number % 2]) for number in range(6)])
    assert positions(results) == [f"r{number}" for number in range(6)]
    assert [one.calls for one in replicas] == [[["r0", "r2", "r4"]], [["r1", "r3", "r5"]]]


async def test_refusals_are_results(client: LedgerClient, ledger: LedgerDouble) -> None:
    """Nothing is raised, and what is refused is not sent again."""
    ledger.answer = lambda command: (
        refused(Code.NOT_FOUND, "ACCOUNT_NOT_FOUND") if command.reserve_credits.request_id == "b" else agreed(command)
    )
    results = await client.execute_many([command(name) for name in "abc"])
    assert [result.error.reason for result in results] == ["", "ACCOUNT_NOT_FOUND", ""]
    assert ledger.calls == [["a", "b", "c"]]


async def test_only_what_may_pass_is_sent_again(client: LedgerClient, ledger: LedgerDouble) -> None:
    """As often as the caller wants; then the last failure is the result."""
    left = {"b": 1, "c": 100}

    def passing(command: Command) -> Result:
        name = command.reserve_credits.request_id
        if not left.get(name):
            return agreed(command)
        left[name] -= 1
        return refused(Code.ABORTED, "PASSING")

    ledger.answer = passing
    results = await client.execute_many([command(name) for name in "abc"], attempts=3)
    assert [result.error.reason for result in results] == ["", "", "PASSING"]
    assert ledger.calls == [["a", "b", "c"], ["b", "c"], ["c"]]


async def test_a_list_finds_the_other_replica(replicas: list[LedgerDouble]) -> None:
    """What a replica that is gone was to get is sent to the next."""
    gone, stays = replicas
    account = account_of(gone, replicas)
    async with LedgerClient([one.address for one in replicas], "token") as client:
        await gone.stop()
        results = await client.execute_many([command(name, account) for name in "abc"])
    assert positions(results) == ["a", "b", "c"]
    assert stays.calls == [["a", "b", "c"]]


async def test_a_ledger_that_is_away_is_told_in_each_result(client: LedgerClient, ledger: LedgerDouble) -> None:
    """UNAVAILABLE for those that were sent and for those that were not."""
    ledger.whole_call = lambda _ids: unavailable("database")
    results = await client.execute_many([command(f"r{number}") for number in range(1_500)], attempts=2)
    assert {result.error.code for result in results} == {Code.UNAVAILABLE.value[0]}
    assert [len(call) for call in ledger.calls] == [1_000, 1_000]


async def test_a_patient_caller_is_answered_at_last(
    client: LedgerClient, ledger: LedgerDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it takes; the pauses grow to their bound and stay there."""
    monkeypatch.setattr(sender, "PAUSE_SECONDS_MAX", 0)
    left = iter(range(1_200))
    ledger.answer = lambda command: agreed(command) if next(left, None) is None else refused(Code.ABORTED, "PASSING")
    results = await client.execute_many([command("r")], attempts=10_000)
    assert positions(results) == ["r"]


async def test_a_list_ends_within_its_time(client: LedgerClient, ledger: LedgerDouble) -> None:
    """A ledger that hangs is UNAVAILABLE when the time is over."""
    ledger.gate.clear()
    (result,) = await client.execute_many([command("r")], timeout=0.05)
    assert result.error.code == Code.UNAVAILABLE.value[0]


async def test_parting_is_bounded(client: LedgerClient, ledger: LedgerDouble) -> None:
    """A ledger that chokes on everything is not asked for each command; all of them are told what it said."""
    ledger.whole_call = lambda _ids: Refusal("INTERNAL", "choked")
    results = await client.execute_many([command(f"r{number}") for number in range(1_000)])
    assert {result.error.reason for result in results} == {"INTERNAL"}
    assert len(results) == 1_000
    assert len(ledger.calls) <= 64


async def test_a_list_with_an_empty_command_is_a_mistake(client: LedgerClient, ledger: LedgerDouble) -> None:
    """Nothing of it is sent."""
    with pytest.raises(ValueError, match="empty"):
        await client.execute_many([command("a"), Command()])
    assert ledger.calls == []
