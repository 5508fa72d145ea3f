"""kill -9 of the executor at each step of a job: one ending, one reservation, no second call that may not be made.

`make test` kills it at a few steps, `make test-kills` at all of them.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator

import pytest
from scrip.executor.v1 import events_pb2, executor_pb2

from services.cli.local import nats
from services.runtime import ids, topology
from services.runtime.errors import Refusal
from tests.executor.providers.double import Answer, Asked, Double, provider
from tests.executor.saga import Saga
from tests.harness.databases import Databases
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
KILLED_AT = STEPS if os.environ.get("SCRIP_TEST_KILLS") == "all" else FEW  # noqa: TID251 (a test's own setting)
# Where a tool that may not be called twice was, or may have been, called, and no outcome is written.
DOUBTFUL = {"begun": 0, "before_call": 0, "answered": 1, DURING: 1}
ENDINGS = (
    events_pb2.EVENT_KIND_JOB_SUCCEEDED,
    events_pb2.EVENT_KIND_JOB_FAILED,
    events_pb2.EVENT_KIND_JOB_INDETERMINATE,
)


class Deepl:
    """Translates, or ends who asks."""

    def __init__(self) -> None:
        self.victim: Services | None = None

    def say(self, _asked: Asked) -> Answer | None:
        if self.victim:
            self.victim.kill("executor")
            return None
        return Answer(body=json.dumps(SAID).encode())


@pytest.fixture(scope="module")
def deepl() -> Deepl:
    return Deepl()


@pytest.fixture(scope="module")
def double(deepl: Deepl) -> Iterator[Double]:
    with provider(deepl.say) as listening:
        yield listening


@pytest.fixture(scope="module")
def process(databases: Databases, double: Double, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """All but the executor, for all tests of this module; each has an account and an executor of its own."""
    folder = tmp_path_factory.mktemp("crashes")
    with nats.Server.throwaway(folder / "nats") as broker:
        asyncio.run(topology.declare(broker.broker.url))
        running = Services(databases, broker.broker.url, folder)
        running.providers = {
            "SCRIP_SECRET_DEEPL_API_KEY": "key",
            "SCRIP_PROVIDER_BASES": f"https://api.deepl.com={double.url}",
        }
        running.settings["executor"] = {"SCRIP_LEASE_SECONDS": str(LEASE_SECONDS)}
        try:
            asyncio.run(running.start("ledger", "catalog"))
            yield running
        finally:
            asyncio.run(running.stop())


@pytest.fixture
async def saga(process: Services, deepl: Deepl) -> AsyncIterator[Saga]:
    yield Saga(process)
    deepl.victim = None
    process.kill("executor")
    await process.close_peers()


async def crash(saga: Saga, account_id: str, step: str, tool: str, given: dict[str, object]) -> str:
    """Submits a job to an executor that dies at a step, and starts another one; answers the job's id."""
    if step == DURING:
        await saga.services.start("executor")
    else:
        await saga.services.start_to_crash("executor", f"executor.{step}")
    await saga.account(account_id)
    quote = await saga.quote(account_id, tool, given)
    quote.limits.timeout_ms = TIMEOUT_MS
    await saga.reserve(quote)

    async def is_submitted() -> bool:
        try:
            await saga.submit(quote, given)
        except Refusal as refusal:
            assert refusal.reason == "UPSTREAM_UNAVAILABLE"
            return False
        return True

    submitting = asyncio.create_task(is_submitted())
    await saga.services.crashed("executor")
    await submitting
    await saga.services.restart("executor")
    await eventually(is_submitted, 20)
    return quote.job_id


async def endings(saga: Saga, job_id: str) -> list[int]:
    """Kinds of the events that ended the job."""
    return [event.kind async for event in saga.events() if event.job_id == job_id and event.kind in ENDINGS]


@pytest.mark.parametrize("step", [step for step in KILLED_AT if step in DOUBTFUL and step != DURING])
async def test_a_job_of_a_safe_tool_ends_once(saga: Saga, step: str) -> None:
    """It runs again, for its outcome is not written, and is paid once."""
    account_id = f"a-{ids.uuid7()}"
    job = await saga.settled(account_id, await crash(saga, account_id, step, "echo", ECHO))
    assert (job.state, job.settlement) == (Job.STATE_SUCCEEDED, Job.SETTLEMENT_SETTLED)
    assert await endings(saga, job.job_id) == [events_pb2.EVENT_KIND_JOB_SUCCEEDED]
    credits = await saga.credits(account_id)
    assert (credits.reserved_micros, credits.spent_micros) == (0, job.captured_micros)
    await reconciled(saga.services)


@pytest.mark.parametrize("step", KILLED_AT)
async def test_a_tool_that_may_not_be_called_twice_is_not(saga: Saga, deepl: Deepl, double: Double, step: str) -> None:
    """It is called once; where nobody can tell, its credits stay reserved and nobody pays."""
    account_id = f"a-{ids.uuid7()}"
    called_before = len(double.asked)
    deepl.victim = saga.services if step == DURING else None
    job_id = await crash(saga, account_id, step, TOOL, TEXTS)
    if step in DOUBTFUL:

        async def is_unknown() -> bool:
            return (await saga.job(account_id, job_id)).state == Job.STATE_INDETERMINATE

        await eventually(is_unknown, 40, lambda: saga.services.last_words("executor"))
        credits = await saga.credits(account_id)
        assert credits.reserved_micros > 0 == credits.spent_micros
    else:
        job = await saga.settled(account_id, job_id)
        assert job.state == Job.STATE_SUCCEEDED, job.error
        credits = await saga.credits(account_id)
        assert (credits.reserved_micros, credits.spent_micros) == (0, job.captured_micros)
    assert len(await endings(saga, job_id)) == 1
    assert len(double.asked) - called_before == DOUBTFUL.get(step, 1)
    await reconciled(saga.services)
