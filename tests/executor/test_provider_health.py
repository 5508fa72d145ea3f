"""Providers that are down or slow, through the real services: their jobs wait, and those of others do not."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from scrip.executor.v1 import executor_pb2

from tests.executor.providers.double import Answer, Asked, Double, provider
from tests.executor.saga import Saga
from tests.executor.test_provider_jobs import GIVEN, KEY, TOOL, Deepl
from tests.executor.test_resumption import GIVEN as OTHER_GIVEN
from tests.executor.test_resumption import KEY as OTHER_KEY
from tests.executor.test_resumption import TOOL as OTHER_TOOL
from tests.executor.test_resumption import Assembly
from tests.harness.processes import Services
from tests.harness.waiting import eventually

Job = executor_pb2.Job
TOGETHER = 5
CONCURRENCY = 5


@pytest.fixture
def deepl() -> Deepl:
    """The provider that is in trouble."""
    return Deepl()


@pytest.fixture
def double(deepl: Deepl) -> Iterator[Double]:
    """Where it listens."""
    with provider(deepl.say) as double:
        yield double


@pytest.fixture
async def saga(services: Services, double: Double) -> AsyncIterator[Saga]:
    """The services; another provider, which is well."""
    assembly = Assembly()
    assembly.is_done = True
    with provider(assembly.say) as other:
        services.providers = {
            "SCRIP_SECRET_DEEPL_API_KEY": KEY,
            "SCRIP_SECRET_ASSEMBLYAI_API_KEY": OTHER_KEY,
            "SCRIP_PROVIDER_BASES": f"https://api.deepl.com={double.url}, https://api.assemblyai.com={other.url}",
            "SCRIP_PROVIDER_CONCURRENCY": str(CONCURRENCY),
        }
        await services.start("ledger", "catalog", "executor", "gateway")
        saga = Saga(services)
        await saga.account("acme")
        yield saga


def busy(first: int) -> Callable[[Asked], Answer]:
    """Says that it is overloaded; to the first so many when all of them are there."""
    all_there = threading.Barrier(first)
    count = iter(range(first))

    def answer(_asked: Asked) -> Answer:
        if next(count, None) is not None:
            all_there.wait(30)
        return Answer(503)

    return answer


async def at_the_door(services: Services) -> httpx.AsyncClient:
    """The gateway, as the account."""
    admin = {"authorization": f"Bearer {services.admin_key}"}
    client = httpx.AsyncClient(base_url=services.http_url, timeout=30, trust_env=False)
    made = await client.post("/v1/admin/accounts/acme/keys", json={"name": "test"}, headers=admin)
    client.headers["authorization"] = f"Bearer {made.json()['key']}"
    return client


async def begin_all(saga: Saga, n: int) -> list[str]:
    return list(await asyncio.gather(*(saga.begin("acme", GIVEN, TOOL) for _ in range(n))))


async def test_a_provider_that_is_down_is_waited_for(saga: Saga, deepl: Deepl, double: Double) -> None:
    """No new job is taken, those that were go on when it is back, and cost what they always do; others go on."""
    services = saga.services
    deepl.answer = busy(TOGETHER)
    job_ids = await begin_all(saga, TOGETHER)
    client = await at_the_door(services)
    request: dict[str, Any] = {"json": {"input": GIVEN}, "headers": {"prefer": "respond-async"}}

    async def is_refused() -> httpx.Response | None:
        answer = await client.post(f"/v1/tools/{TOOL}/execute", **request)
        if answer.status_code == httpx.codes.ACCEPTED:
            # Between two outages: one more that waits.
            job_ids.append(answer.json()["job_id"])
            return None
        return answer

    refused = await eventually(is_refused, 40)
    assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert (refused.json()["reason"], refused.json()["unavailable_reason"]) == ("TOOL_UNAVAILABLE", "PROVIDER_DOWN")
    assert int(refused.headers["retry-after"]) > 0
    await client.aclose()

    other = await saga.settled("acme", await saga.begin("acme", OTHER_GIVEN, OTHER_TOOL))
    assert other.state == Job.STATE_SUCCEEDED

    assert {(await saga.job("acme", job_id)).state for job_id in job_ids} <= {Job.STATE_QUEUED, Job.STATE_RUNNING}
    before = len(double.asked)
    deepl.answer = deepl.translate
    jobs = [await saga.settled("acme", job_id, 120) for job_id in job_ids]
    assert {job.state for job in jobs} == {Job.STATE_SUCCEEDED}
    assert len(double.asked) - before <= len(jobs) + 1, "each is asked for once, beside what was under way"
    credits = await saga.credits("acme")
    assert credits.spent_micros == sum(job.captured_micros for job in jobs) + other.captured_micros
    assert credits.reserved_micros == 0
    endings = dict(services.query("executor", "SELECT ending, count(*) FROM attempt GROUP BY 1"))
    assert set(endings) == {"PROVIDER_DOWN", "ANSWERED"}
    assert endings["ANSWERED"] == len(jobs) + 1


async def test_a_slow_provider_holds_up_nobody_else(saga: Saga, deepl: Deepl, double: Double) -> None:
    """As many of its jobs run as may; the others are in the queue, and nobody has begun them."""
    services = saga.services
    go_on = threading.Event()

    def slow(asked: Asked) -> Answer:
        go_on.wait(60)
        return deepl.translate(asked)

    deepl.answer = slow
    job_ids = await begin_all(saga, 4 * CONCURRENCY)
    await eventually(lambda: len(double.asked) == CONCURRENCY, 20)
    others = [
        await saga.begin("acme", OTHER_GIVEN, OTHER_TOOL),
        await saga.begin("acme", {"message": "x"}),
    ]
    for job_id in others:
        assert (await saga.settled("acme", job_id)).state == Job.STATE_SUCCEEDED
    assert len(double.asked) == CONCURRENCY
    found = services.query(
        "executor", "SELECT state, attempts, count(*) FROM job WHERE tool = %s GROUP BY 1, 2 ORDER BY 1", TOOL
    )
    assert found == [("QUEUED", 0, 3 * CONCURRENCY), ("RUNNING", 1, CONCURRENCY)]
    go_on.set()
    jobs = [await saga.settled("acme", job_id) for job_id in job_ids]
    assert {job.state for job in jobs} == {Job.STATE_SUCCEEDED}
    assert len(double.asked) == len(jobs)


async def test_how_providers_do_can_be_watched(saga: Saga) -> None:
    """What each was asked, how it answered, how long it took."""
    await saga.settled("acme", await saga.begin("acme", GIVEN, TOOL))
    async with httpx.AsyncClient(trust_env=False) as client:
        told = (await client.get(f"{saga.services.ops_url('executor')}/metrics")).text
    assert 'scrip_provider_requests_total{kind="ask",outcome="2xx",provider="api.deepl.com"} 1.0' in told
    assert 'scrip_provider_seconds_count{kind="ask",provider="api.deepl.com"} 1.0' in told
