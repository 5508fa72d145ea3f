"""Single commands of many tasks leave together."""

import asyncio
import contextlib
from contextvars import ContextVar

import grpc
import pytest

from scrip_client import LedgerClient, LedgerRefusal, LedgerUnavailable
from tests.client.double import Command, LedgerDouble, Result, agreed, refused
from tests.client.requests import asked, command, reserve, turns

Code = grpc.StatusCode


async def occupied(client: LedgerClient, ledger: LedgerDouble) -> "asyncio.Task[str]":
    """A call is under way, and stays so until the gate opens."""
    ledger.gate.clear()
    call = asked(client, "call")
    await ledger.was_called(1)
    return call


async def test_a_lone_command_leaves_at_once(client: LedgerClient, ledger: LedgerDouble) -> None:
    """Nothing else needs to come for it to be answered."""
    assert await asked(client, "r") == "r"
    assert ledger.calls == [["r"]]


async def test_commands_given_in_one_turn_leave_together(client: LedgerClient, ledger: LedgerDouble) -> None:
    """One call for all, and each caller gets its own answer."""
    names = [f"r{number}" for number in range(50)]
    assert await asyncio.gather(*(asked(client, name) for name in names)) == names
    assert ledger.calls == [names]


async def test_what_arrives_during_a_call_leaves_together(client: LedgerClient, ledger: LedgerDouble) -> None:
    """Whatever comes meanwhile is in the next, in the order of arrival."""
    call = await occupied(client, ledger)
    names = [f"r{number}" for number in range(5)]
    tasks = []
    for name in names:
        tasks.append(asked(client, name))
        await turns()
    assert len(ledger.calls) == 1
    ledger.gate.set()
    assert await asyncio.gather(call, *tasks) == ["call", *names]
    assert ledger.calls == [["call"], names]


async def test_two_calls_are_under_way_at_most(client: LedgerClient, ledger: LedgerDouble) -> None:
    """Each with accounts of its own, so that an account's commands arrive in the order in which they were given."""
    ledger.gate.clear()
    names = [(f"{account}-{number}", account) for number in range(30) for account in ("acme", "demo", "a-1", "a-2")]
    tasks = []
    for name, account in names:
        tasks.append(asked(client, name, account))
        await turns()
    await ledger.was_called(2)
    assert len(ledger.calls) == 2
    ledger.gate.set()
    await asyncio.gather(*tasks)
    sent = [name for call in ledger.calls for name in call]
    for account in ("acme", "demo", "a-1", "a-2"):
        assert [name for name in sent if name.startswith(f"{account}-")] == [n for n, of in names if of == account]


async def test_the_next_commands_of_an_answered_batch_leave_together(
    client: LedgerClient, ledger: LedgerDouble
) -> None:
    """Callers that go on once they are answered make the next batch, whichever of them is woken first."""

    async def twice(name: str) -> None:
        await client.reserve(reserve(f"{name}-1"))
        await client.reserve(reserve(f"{name}-2"))

    await asyncio.gather(*(twice(f"r{number}") for number in range(20)))
    assert [len(call) for call in ledger.calls] == [20, 20]


async def test_a_call_takes_a_thousand_commands(client: LedgerClient, ledger: LedgerDouble) -> None:
    """What is over goes into the next, in the order of arrival."""
    names = [f"r{number}" for number in range(2_500)]
    await asyncio.gather(*(asked(client, name) for name in names))
    assert [len(call) for call in ledger.calls] == [1_000, 1_000, 500]
    assert [name for call in ledger.calls for name in call] == names


async def test_a_call_takes_four_mebibytes(client: LedgerClient, ledger: LedgerDouble) -> None:
    """Big commands leave in more calls."""
    big = {"reference": "x" * 1_500_000}
    await asyncio.gather(*(client.reserve(reserve(name, subject=big)) for name in "abcde"))
    assert ledger.calls == [["a", "b"], ["c", "d"], ["e"]]


async def test_who_has_gone_is_not_sent(client: LedgerClient, ledger: LedgerDouble) -> None:
    """A caller that gave up while waiting leaves nothing behind, and harms nobody."""
    call = await occupied(client, ledger)
    gone, stays = asked(client, "gone"), asked(client, "stays")
    await turns()
    gone.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await gone
    ledger.gate.set()
    await asyncio.gather(call, stays)
    assert ledger.calls[1:] == [["stays"]]


async def test_a_caller_that_goes_during_its_call_harms_nobody(client: LedgerClient, ledger: LedgerDouble) -> None:
    """The others of its batch are answered."""
    ledger.gate.clear()
    gone, stays = asked(client, "gone"), asked(client, "stays")
    await ledger.was_called(1)
    gone.cancel()
    ledger.gate.set()
    assert await stays == "stays"


async def test_the_queue_is_bounded(ledger: LedgerDouble) -> None:
    """Who finds it full is told at once, and may come again."""
    async with LedgerClient(ledger.address, "token", waiting_max=2) as client:
        call = await occupied(client, ledger)
        waiting = [asked(client, "a"), asked(client, "b")]
        await turns()
        with pytest.raises(LedgerUnavailable, match="2 commands wait"):
            await client.reserve(reserve("c"))
        ledger.gate.set()
        await asyncio.gather(call, *waiting)
        assert await asked(client, "c") == "c"


async def test_each_command_stands_or_falls_by_itself(client: LedgerClient, ledger: LedgerDouble) -> None:
    """One that is refused is refused to its own caller only, with its numbers."""
    lack = refused(Code.FAILED_PRECONDITION, "INSUFFICIENT_CREDITS", required_micros="5")
    ledger.answer = lambda command: lack if command.reserve_credits.request_id == "poor" else agreed(command)
    poor, rich = asked(client, "poor"), asked(client, "rich")
    with pytest.raises(LedgerRefusal) as told:
        await poor
    assert (told.value.reason, told.value.message, told.value.code) == (
        "INSUFFICIENT_CREDITS",
        "no",
        Code.FAILED_PRECONDITION,
    )
    assert told.value.metadata == {"required_micros": "5"}
    assert await rich == "rich"
    assert ledger.calls == [["poor", "rich"]]


@pytest.mark.parametrize("sent", [False, True])
async def test_a_deadline_ends_the_waiting(client: LedgerClient, ledger: LedgerDouble, sent: bool) -> None:
    """In the queue or under way: whose time is over is told so, and whose is not waits on."""
    if sent:
        ledger.gate.clear()
    else:
        await occupied(client, ledger)
    patient, hasty = asked(client, "patient"), asked(client, "hasty", timeout=0.05)
    with pytest.raises(LedgerUnavailable, match="within the time"):
        await hasty
    assert not patient.done()
    ledger.gate.set()
    assert await patient == "patient"
    assert ("hasty" in ledger.calls[-1]) is sent


async def test_a_call_has_the_metadata_of_its_first_command(ledger: LedgerDouble) -> None:
    """The token, and whatever the program adds in the context of the command, also for those that waited."""
    trace: ContextVar[str] = ContextVar("trace", default="none")
    async with LedgerClient(ledger.address, "secret", metadata=lambda: (("traceparent", trace.get()),)) as client:
        call = await occupied(client, ledger)
        tasks = []
        for name in ("first", "second"):
            trace.set(name)
            tasks.append(asked(client, name))
        await turns()
        ledger.gate.set()
        await asyncio.gather(call, *tasks)
    assert [one["traceparent"] for one in ledger.metadata] == ["none", "first"]
    assert {one["authorization"] for one in ledger.metadata} == {"Bearer secret"}


async def test_an_answer_that_makes_no_sense_is_told(client: LedgerClient, ledger: LedgerDouble) -> None:
    """INTERNAL, and the next command is answered."""
    ledger.answer = lambda _command: Result()
    with pytest.raises(LedgerRefusal, match="INTERNAL"):
        await client.reserve(reserve("r"))
    ledger.answer = agreed
    assert await asked(client, "s") == "s"


async def test_an_empty_command_is_a_mistake(client: LedgerClient) -> None:
    """It is not sent."""
    with pytest.raises(ValueError, match="empty"):
        await client.execute(Command())
    assert (await client.execute(command("r"))).position == "r"


async def test_closing_answers_everybody(ledger: LedgerDouble) -> None:
    """Under way or waiting: there is no answer."""
    client = LedgerClient(ledger.address, "token")
    call = await occupied(client, ledger)
    waiting = asked(client, "r")
    await turns()
    await client.close()
    for task in (call, waiting):
        with pytest.raises(LedgerUnavailable, match="closed"):
            await task
