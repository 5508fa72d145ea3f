"""kill -9 at each step of a job, of the executor or of what it talks to: one ending, one reservation, no second call
that may not be made.

`make test` kills at a few steps, `make test-kills` at all of them.
"""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from scrip.catalog.v1 import catalog_pb2
from scrip.executor.v1 import events_pb2, executor_pb2

from services.cli.local import nats
from services.runtime import ids, topology
from services.runtime.errors import Refusal
from tests.executor.providers.double import Answer, Asked, Double, provider
from tests.executor.saga import Saga
from tests.executor.test_pool import is_gone
from tests.harness.own_postgres import OwnPostgres
from tests.harness.processes import Services
from tests.harness.reconciled import reconciled
from tests.harness.waiting import eventually

Job = executor_pb2.Job
ECHO = {"message": "x"}
TOOL = "translate-deepl"
TEXTS = {"texts": ["Hello"], "target_language": "DE"}
SAID = {"translations": [{"text": "olleH", "detected_source_language": "EN", "billed_characters": 5}]}
LEASE_SECONDS = 2
TIMEOUT_MS = 2_000
# Not a step of the executor's own: its provider has been asked, and has not answered.
DURING = "during_call"
STEPS = (
    "accepted",
    "extended",
    "begun",
    "before_call",
    "answered",
    "outcome_stored",
    "before_settle",
    "acknowledged",
    "settled",
    DURING,
)
FEW = ("begun", "answered", "before_settle", DURING)
ALL = os.environ.get("SCRIP_TEST_KILLS") == "all"  # noqa: TID251 (a test's own setting)
KILLED_AT = STEPS if ALL else FEW
# Whom else: each at every step, or where it is missed most.
OTHERS = ("ledger", "nats", "postgres")
OTHERS_KILLED_AT = (
    [(other, step) for other in OTHERS for step in STEPS]
    if ALL
    else [("ledger", "before_settle"), ("nats", DURING), ("postgres", "answered")]
)
# Where a tool that may not be called twice was, or may have been, called, and no outcome is written.
DOUBTFUL = {"begun": 0, "before_call": 0, "answered": 1, DURING: 1}
ENDINGS = (
    events_pb2.EVENT_KIND_JOB_SUCCEEDED,
    events_pb2.EVENT_KIND_JOB_FAILED,
    events_pb2.EVENT_KIND_JOB_INDETERMINATE,
)


class Deepl:
    """Translates; on the way somebody may die of it."""

    def __init__(self) -> None:
        self.victim_pid: int | None = None

    def say(self, _asked: Asked) -> Answer | None:
        if self.victim_pid:
            os.kill(self.victim_pid, signal.SIGKILL)
            self.victim_pid = None
        return Answer(body=json.dumps(SAID).encode())


class World:
    """All but the executor, for all tests of this module; each has an account and an executor of its own."""

    def __init__(self, folder: Path) -> None:
        self.postgres = OwnPostgres(folder / "postgres")
        self.nats = nats.Server.throwaway(folder / "nats")
        self.services = Services(self.postgres.databases, self.nats.broker.url, folder)

    def pid(self, name: str) -> int:
        """Of whom a test may kill."""
        match name:
            case "nats":
                return self.nats.pid
            case "postgres":
                return self.postgres.pid
            case _:
                return self.services.pid(name)

    async def start_again(self, name: str) -> None:
        """Starts what was killed."""
        match name:
            case "nats":
                self.nats.kill()
                self.nats.start()
            case "postgres":
                await self.postgres.crash()
            case _:
                await self.services.crashed(name)
                await self.services.restart(name)

    def close(self) -> None:
        """Ends all of it."""
        asyncio.run(self.services.stop())
        self.nats.stop()
        self.postgres.close()


@pytest.fixture(scope="module")
def deepl() -> Deepl:
    return Deepl()


@pytest.fixture(scope="module")
def double(deepl: Deepl) -> Iterator[Double]:
    with provider(deepl.say) as listening:
        yield listening


@pytest.fixture(scope="module")
def world(double: Double, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("crashes"))
    made.services.providers = {
        "SCRIP_SECRET_DEEPL_API_KEY": "key",
        "SCRIP_PROVIDER_BASES": f"https://api.deepl.com={double.url}",
    }
    made.services.settings["executor"] = {"SCRIP_LEASE_SECONDS": str(LEASE_SECONDS)}
    try:
        asyncio.run(topology.declare(made.nats.broker.url))
        asyncio.run(made.services.start("ledger", "catalog"))
        yield made
    finally:
        made.close()


@pytest.fixture
async def saga(world: World, deepl: Deepl) -> AsyncIterator[Saga]:
    yield Saga(world.services)
    deepl.victim_pid = None
    world.services.kill("executor")
    await world.services.close_peers()


async def submitted(saga: Saga, quote: catalog_pb2.Quote, given: dict[str, object]) -> bool:
    """Whether the executor took the job; it may have died of it."""
    try:
        await saga.submit(quote, given)
    except Refusal as refusal:
        assert refusal.reason == "UPSTREAM_UNAVAILABLE"
        return False
    return True


async def start(world: World, deepl: Deepl, step: str, victim: str) -> None:
    """Starts an executor; when it reaches the step, the victim dies."""
    if step == DURING:
        await world.services.start("executor")
        deepl.victim_pid = world.pid(victim)
    else:
        victim_pid = None if victim == "executor" else world.pid(victim)
        await world.services.start_to_crash("executor", f"executor.{step}", victim_pid)


async def survive(saga: Saga, world: World, quote: catalog_pb2.Quote, given: dict[str, object], victim: str) -> None:
    """Submits a job, starts the victim again once it is dead, and submits it again as the gateway would."""
    victim_pid = world.pid(victim)
    submitting = asyncio.create_task(submitted(saga, quote, given))
    await eventually(lambda: is_gone(victim_pid), 30, f"{victim} was not killed")
    await world.start_again(victim)
    await submitting
    await eventually(lambda: submitted(saga, quote, given), 20)


async def reserved(saga: Saga, account_id: str, tool: str, given: dict[str, object]) -> catalog_pb2.Quote:
    """A quote of a new account, whose credits are reserved."""
    await saga.account(account_id)
    quote = await saga.quote(account_id, tool, given)
    quote.limits.timeout_ms = TIMEOUT_MS
    await saga.reserve(quote)
    return quote


async def endings(saga: Saga, job_id: str) -> list[int]:
    """Kinds of the events that ended the job."""
    return [event.kind async for event in saga.events() if event.job_id == job_id and event.kind in ENDINGS]


@pytest.mark.parametrize("step", [step for step in KILLED_AT if step in DOUBTFUL and step != DURING])
async def test_a_job_of_a_safe_tool_ends_once(world: World, saga: Saga, deepl: Deepl, step: str) -> None:
    """It runs again, for its outcome is not written, and is paid once."""
    account_id = f"a-{ids.uuid7()}"
    await start(world, deepl, step, "executor")
    quote = await reserved(saga, account_id, "echo", ECHO)
    await survive(saga, world, quote, ECHO, "executor")
    await succeeded(saga, quote)


@pytest.mark.parametrize("step", KILLED_AT)
async def test_a_tool_that_may_not_be_called_twice_is_not(
    world: World, saga: Saga, deepl: Deepl, double: Double, step: str
) -> None:
    """It is called once; where nobody can tell, its credits stay reserved and nobody pays."""
    account_id = f"a-{ids.uuid7()}"
    called_before = len(double.asked)
    await start(world, deepl, step, "executor")
    quote = await reserved(saga, account_id, TOOL, TEXTS)
    await survive(saga, world, quote, TEXTS, "executor")
    if step in DOUBTFUL:

        async def is_unknown() -> bool:
            return (await saga.job(account_id, quote.job_id)).state == Job.STATE_INDETERMINATE

        await eventually(is_unknown, 40, lambda: saga.services.last_words("executor"))
        credits = await saga.credits(account_id)
        assert credits.reserved_micros > 0 == credits.spent_micros
        assert len(await endings(saga, quote.job_id)) == 1
        await reconciled(saga.services)
    else:
        await succeeded(saga, quote)
    assert len(double.asked) - called_before == DOUBTFUL.get(step, 1)


@pytest.mark.parametrize(("victim", "step"), OTHERS_KILLED_AT)
async def test_whoever_else_dies_is_waited_for(
    world: World, saga: Saga, deepl: Deepl, double: Double, victim: str, step: str
) -> None:
    """The executor lives: it knows what it did, so even what may not be done twice succeeds, and is paid, once."""
    account_id = f"a-{ids.uuid7()}"
    called_before = len(double.asked)
    await start(world, deepl, step, victim)
    quote = await reserved(saga, account_id, TOOL, TEXTS)
    await survive(saga, world, quote, TEXTS, victim)
    await succeeded(saga, quote)
    assert len(double.asked) - called_before == 1


async def succeeded(saga: Saga, quote: catalog_pb2.Quote) -> None:
    """The job has one ending, and what it cost is what the account spent; nothing is left over."""
    job = await saga.settled(quote.account_id, quote.job_id)
    assert (job.state, job.settlement) == (Job.STATE_SUCCEEDED, Job.SETTLEMENT_SETTLED), job.error
    assert await endings(saga, job.job_id) == [events_pb2.EVENT_KIND_JOB_SUCCEEDED]
    credits = await saga.credits(quote.account_id)
    assert (credits.reserved_micros, credits.spent_micros) == (0, job.captured_micros)
    await reconciled(saga.services)
