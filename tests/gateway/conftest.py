"""A running system for the tests of the gateway's routes, and accounts in it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from services.runtime import ids
from tests.gateway.grpc_caller import GrpcCaller, calling
from tests.harness.databases import Databases
from tests.harness.processes import Services
from tests.harness.shared import shared_services
from tests.harness.waiting import eventually

SERVICES = ("ledger", "catalog", "executor", "gateway")
CALL_SECONDS = 70.0


@dataclass(frozen=True)
class Account:
    """An account with a key of its own."""

    account_id: str
    headers: dict[str, str]


class System:
    """The gateway as a client sees it."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.client = httpx.AsyncClient(
            base_url=services.http_url,
            timeout=CALL_SECONDS,
            trust_env=False,
            limits=httpx.Limits(max_connections=None),
        )
        self.admin = {"Authorization": f"Bearer {services.admin_key}"}

    async def account(self, credits: str | None = "100") -> Account:
        """A new account with this many credits."""
        account_id = f"a-{ids.uuid7()}"
        path = f"/v1/admin/accounts/{account_id}"
        opened = await self.client.post("/v1/admin/accounts", json={"account_id": account_id}, headers=self.admin)
        assert opened.status_code == 201, opened.text
        if credits:
            grant = {"credits": credits, "source": "promotion"}
            granted = await self.client.post(
                f"{path}/grants", json=grant, headers=self.admin | {"Idempotency-Key": "first"}
            )
            assert granted.status_code == 201, granted.text
        made = await self.client.post(f"{path}/keys", json={"name": "test"}, headers=self.admin)
        assert made.status_code == 201, made.text
        return Account(account_id, {"Authorization": f"Bearer {made.json()['key']}"})

    async def execute(
        self, account: Account, given: dict[str, Any], tool: str = "echo", body: Any = None, **headers: str
    ) -> httpx.Response:
        """POST …/execute; header names with _ for -."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post(
            f"/v1/tools/{tool}/execute", json={"input": given} | (body or {}), headers=account.headers | named
        )

    def grpc(self, who: Account | str) -> AbstractAsyncContextManager[GrpcCaller]:
        """A caller of the gRPC door with an account's key, or with a token."""
        token = who if isinstance(who, str) else who.headers["Authorization"].removeprefix("Bearer ")
        return calling(self.services.address("gateway"), token)

    async def quote(self, account: Account, given: dict[str, Any], tool: str = "echo") -> dict[str, Any]:
        """POST …/quote."""
        response = await self.client.post(f"/v1/tools/{tool}/quote", json={"input": given}, headers=account.headers)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def credits(self, account: Account) -> dict[str, str]:
        """The account's six numbers."""
        response = await self.client.get("/v1/account", headers=account.headers)
        assert response.status_code == 200, response.text
        numbers: dict[str, str] = response.json()["credits"]
        return numbers

    async def jobs(self, account: Account) -> list[dict[str, Any]]:
        """The account's jobs."""
        response = await self.client.get("/v1/jobs?page_size=200", headers=account.headers)
        assert response.status_code == 200, response.text
        found: list[dict[str, Any]] = response.json()["jobs"]
        return found

    async def tool_is_available(self, tool: str = "echo") -> bool:
        """Whether an executor has reported the tool."""
        response = await self.client.get(f"/v1/tools/{tool}", headers=self.admin)
        return response.status_code == 200 and bool(response.json()["available"])


def problem(response: httpx.Response) -> tuple[int, str]:
    """Status and reason of a refusal, whose form is checked."""
    body = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert body["status"] == response.status_code
    assert body["instance"] == response.headers["x-request-id"]
    assert body["trace_id"] == response.headers["traceparent"].split("-")[1]
    return response.status_code, body["reason"]


@pytest.fixture(scope="package")
def running(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """The services, started once for all tests that leave them as they are."""
    with shared_services(databases, tmp_path_factory.mktemp("gateway")) as services:
        asyncio.run(services.start(*SERVICES))
        yield services


@pytest.fixture
async def system(running: Services) -> AsyncIterator[System]:
    """The running system; an executor has reported its tools."""
    system = System(running)
    async with system.client:
        await eventually(system.tool_is_available, 20, lambda: running.last_words("executor"))
        yield system


@pytest.fixture
async def account(system: System) -> Account:
    """An account with 100 credits."""
    return await system.account()


@pytest.fixture
async def caller(system: System, account: Account) -> AsyncIterator[GrpcCaller]:
    """Over gRPC, with the account's key."""
    async with system.grpc(account) as caller:
        yield caller


@pytest.fixture(scope="package")
def breaking(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Services for all tests that end some of them."""
    with shared_services(databases, tmp_path_factory.mktemp("breaking")) as services:
        services.settings["executor"] = {"SCRIP_LEASE_SECONDS": "5"}
        yield services


@pytest.fixture
async def revived(breaking: Services) -> AsyncIterator[System]:
    """A system whose services a test may end; those that do not run are started for the next one."""
    await breaking.start(*(name for name in SERVICES if not breaking.runs(name)))
    system = System(breaking)
    async with system.client:
        await eventually(system.tool_is_available, 20, lambda: breaking.last_words("executor"))
        yield system


@pytest.fixture
async def fragile(services: Services) -> AsyncIterator[System]:
    """A system of this test's own."""
    await services.start(*SERVICES)
    system = System(services)
    async with system.client:
        await eventually(system.tool_is_available, 20)
        yield system
