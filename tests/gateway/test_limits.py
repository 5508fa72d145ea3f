"""Rates, through the running system: who is refused, and what he is told."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from importlib import resources
from typing import Any

import grpc
import httpx
import pytest
from scrip.catalog.v1 import catalog_pb2, catalog_pb2_grpc

from services.runtime import ids
from services.runtime.grpc_client import Peer
from tests.gateway.conftest import SERVICES, System, problem
from tests.harness.processes import Services
from tests.harness.waiting import eventually

ECHO = {"message": "x"}
TOOL = "limited-echo"
RATE = 6
"""An hour; five at once, and one every ten minutes."""


async def apply_tool(system: System, slug: str, limit: str) -> None:
    """`echo` under another name, with a limit."""
    manifest = resources.files("services.catalog.tools").joinpath("echo.yaml").read_text()
    manifest = manifest.replace("slug: echo", f"slug: {slug}").replace("rate_per_hour: 0", limit)
    peer = Peer("catalog", system.services.address("catalog"), system.services.token)
    try:
        stub: Any = catalog_pb2_grpc.CatalogServiceStub(peer.channel)
        request = catalog_pb2.ApplyToolRequest(manifest=manifest.encode(), request_id=ids.uuid7())
        await peer.call(stub.ApplyTool, request)
    finally:
        await peer.close()
    await eventually(lambda: system.tool_is_available(slug), 20)


@pytest.fixture
async def limited(system: System) -> System:
    """A system that has the tool."""
    await apply_tool(system, TOOL, f"rate_per_hour: {RATE}")
    return system


def limits_of(response: httpx.Response) -> tuple[str | None, str | None]:
    return response.headers.get("ratelimit-policy"), response.headers.get("ratelimit")


async def test_an_account_is_refused_beyond_its_rate(limited: System) -> None:
    """Five at once; the sixth is 429 with the numbers, costs nothing and is no job. Other accounts go on."""
    account, other = await limited.account(), await limited.account()
    for n in range(5):
        response = await limited.execute(account, ECHO, TOOL)
        assert response.status_code == 200, response.text
        policy, limit = limits_of(response)
        assert policy == '"tool-hour";q=6;w=3600'
        assert limit is not None
        assert re.fullmatch(rf'"tool-hour";r={4 - n};t=\d+', limit)
    refused = await limited.execute(account, ECHO, TOOL)
    assert problem(refused) == (429, "RATE_LIMITED")
    body = refused.json()
    assert (body["type"], body["limit"], body["window_seconds"], body["burst"], body["tool"]) == (
        *("urn:scrip:problem:rate-limited", 6, 3_600, 5),
        TOOL,
    )
    assert 500 < body["retry_after_seconds"] <= 600
    assert refused.headers["retry-after"] == str(body["retry_after_seconds"])
    assert limits_of(refused) == (policy, f'"tool-hour";r=0;t={body["retry_after_seconds"]}')
    assert len(await limited.jobs(account)) == 5
    assert (await limited.credits(account))["spent"] == "0.05"
    assert (await limited.execute(other, ECHO, TOOL)).status_code == 200


async def test_both_doors_count_together(limited: System) -> None:
    """Over gRPC the refusal is RESOURCE_EXHAUSTED, with the same numbers."""
    account = await limited.account()
    for _ in range(3):
        assert (await limited.execute(account, ECHO, TOOL)).status_code == 200
    async with limited.grpc(account) as caller:
        for number in range(2):
            await caller.submit(f"r{number}", b'{"message": "x"}', tool=TOOL)
        refusal = await caller.refused("SubmitJob", request_id="r2", tool=TOOL, input_json=b'{"message": "x"}')
    assert (refusal.reason, refusal.code) == ("RATE_LIMITED", grpc.StatusCode.RESOURCE_EXHAUSTED)
    assert (refusal.metadata["limit"], refusal.metadata["burst"]) == ("6", "5")
    assert int(refusal.metadata["retry_after_seconds"]) > 0
    assert len(await limited.jobs(account)) == 5


async def test_a_retry_under_a_key_does_not_count_twice(limited: System) -> None:
    """Its answer is the first job's and says nothing of limits; also where all of them come at once."""
    account = await limited.account()
    first = await limited.execute(account, ECHO, TOOL, Idempotency_Key="k")
    assert '"tool-hour";r=4;' in str(limits_of(first)[1])
    for _ in range(3):
        again = await limited.execute(account, ECHO, TOOL, Idempotency_Key="k")
        assert (again.json()["job_id"], limits_of(again)) == (first.json()["job_id"], (None, None))
    await asyncio.gather(*(limited.execute(account, ECHO, TOOL, Idempotency_Key="k2") for _ in range(10)))
    third = await limited.execute(account, ECHO, TOOL, Idempotency_Key="k3")
    assert '"tool-hour";r=2;' in str(limits_of(third)[1])


async def test_of_many_at_once_exactly_the_burst_passes(limited: System) -> None:
    """Not one more and not one less."""
    account = await limited.account()
    answers = await asyncio.gather(*(limited.execute(account, ECHO, TOOL) for _ in range(30)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [429] * 25


async def test_quotes_do_not_count(limited: System) -> None:
    """Only what is executed does; a tool without a limit is answered without a word of it."""
    account = await limited.account()
    for _ in range(8):
        await limited.quote(account, ECHO, TOOL)
    assert '"tool-hour";r=4;' in str(limits_of(await limited.execute(account, ECHO, TOOL))[1])
    assert limits_of(await limited.execute(account, ECHO)) == (None, None)


async def test_a_tool_shows_its_limits(limited: System) -> None:
    """null where there is none."""
    shown = await limited.client.get(f"/v1/tools/{TOOL}", headers=limited.admin)
    assert shown.json()["limits"] == {
        "input_bytes": 1_048_576,
        "units": 60,
        "timeout_ms": 70_000,
        "rate_per_hour": RATE,
        "concurrency": None,
    }


async def test_jobs_beyond_a_concurrency_wait_their_turn(system: System) -> None:
    """Of one account they run one after the other; all get done, and another account's does not wait for them."""
    await apply_tool(system, "one-at-a-time", "concurrency: 1")
    account, other = await system.account(), await system.account()
    given = ECHO | {"delay_seconds": 0.1}
    answers = await asyncio.gather(
        *(system.execute(one, given, "one-at-a-time") for one in (account, account, account, other))
    )
    assert [answer.json()["status"] for answer in answers] == ["SUCCEEDED"] * 4
    times = system.services.query(
        "executor",
        "SELECT started_at, finished_at FROM job WHERE account_id = %s ORDER BY started_at",
        account.account_id,
    )
    assert len(times) == 3
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(times))  # type: ignore[operator]


@pytest.fixture
async def strict(services: Services, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[System]:
    """A system of its own whose gateway limits every account."""
    monkeypatch.setenv("SCRIP_ACCOUNT_RATE_PER_MINUTE", "1")
    await services.start(*SERVICES)
    system = System(services)
    async with system.client:
        await eventually(system.tool_is_available, 20)
        yield system


async def test_an_operator_limits_accounts_over_all_tools(strict: System) -> None:
    """Also where the tool itself has a limit; both are told."""
    await apply_tool(strict, TOOL, f"rate_per_hour: {RATE}")
    account = await strict.account()
    passed = await strict.execute(account, ECHO, TOOL)
    assert limits_of(passed)[0] == '"tool-hour";q=6;w=3600, "account-minute";q=1;w=60'
    refused = await strict.execute(account, ECHO)
    assert problem(refused) == (429, "RATE_LIMITED")
    assert limits_of(refused)[0] == '"account-minute";q=1;w=60'
    assert "1 a minute for executions of all tools" in refused.json()["detail"]
