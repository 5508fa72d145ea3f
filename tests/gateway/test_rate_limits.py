"""Which limits apply to an execution, and what is said of them; on a real database."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scrip.catalog.v1 import catalog_pb2

from services.gateway import rate_limits
from services.gateway.rate_limits import Check, RateLimits
from services.gateway.rate_store import WHOLE_ACCOUNT, Ask, RateStore, Taken
from services.gateway.rates import SECOND_NS, Rate
from services.runtime import lifecycle, postgres
from services.runtime.errors import Refusal
from services.runtime.postgres import Pool
from tests.harness.databases import Database, Databases

NOW_NS = 1_800_000_000 * SECOND_NS


@pytest.fixture
def database(databases: Databases) -> Database:
    return databases.create("gateway")


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    async with postgres.open_pool(database.dsn, "gateway") as pool:
        yield pool


def quote(rate_per_hour: int = 60, tool: str = "echo") -> catalog_pb2.Quote:
    return catalog_pb2.Quote(account_id="acme", tool=tool, limits=catalog_pb2.Limits(rate_per_hour=rate_per_hour))


async def test_checks_that_arrive_together_are_one_statement_and_exact(pool: Pool) -> None:
    """Of many at once of two gateways exactly the burst passes; the others are told how long to wait."""
    gateways = [RateLimits(RateStore(pool)) for _ in range(2)]
    async with lifecycle.background(*(gateway.run for gateway in gateways)):
        found = await asyncio.gather(
            *(gateway.count(quote()) for gateway in gateways for _ in range(40)), return_exceptions=True
        )
    refusals = [one for one in found if isinstance(one, Refusal)]
    assert len(found) - len(refusals) == 5
    assert {one.reason for one in refusals} == {"RATE_LIMITED"}
    assert {one.metadata["retry_after_seconds"] for one in refusals} <= {"59", "60"}


async def test_an_accounts_limit_is_for_all_its_tools(pool: Pool) -> None:
    """Also for tools without a limit of their own; the refusal names the limit that refuses."""
    limits = RateLimits(RateStore(pool), account_rate_per_minute=6)
    async with lifecycle.background(limits.run):
        standings = await limits.count(quote(100))
        assert [one.rate.policy for one in standings] == ["tool-hour", "account-minute"]
        for tool in ("a", "b", "c", "d"):
            (standing,) = await limits.count(quote(0, tool))
        assert standing.remaining == 0
        with pytest.raises(Refusal) as refused:
            await limits.count(quote(0, "e"))
    assert refused.value.metadata | {"retry_after_seconds": "10"} == {
        "policy": "account-minute",
        "tool": "e",
        "limit": "6",
        "window_seconds": "60",
        "burst": "5",
        "retry_after_seconds": "10",
    }
    assert "limit is 6 a minute for executions of all tools, 5 of them at once" in refused.value.message


async def test_without_a_database_nobody_can_tell(database: Database) -> None:
    """503, as of everything that needs it."""
    async with postgres.open_pool(database.dsn, "gateway") as pool:
        limits = RateLimits(RateStore(pool))
    async with lifecycle.background(limits.run):
        with pytest.raises(Refusal) as refused:
            await limits.count(quote())
    assert (refused.value.reason, refused.value.metadata["dependency"]) == ("UPSTREAM_UNAVAILABLE", "database")


def test_two_limits_of_one_bucket_keep_to_the_lower() -> None:
    """Quotes of a tool's old and new version that are executed at the same moment."""
    low, high = Rate("tool-hour", 5, 3_600), Rate("tool-hour", 50, 3_600)
    for checks in ([high, low, None], [None, low, high]):
        asks = rate_limits.asks_of([Check("acme", "echo", rate) for rate in checks], None)
        assert asks == [Ask("acme", "echo", 3, low)]


CHECKS = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.sampled_from([None, Rate("tool-hour", 3, 3_600)])),
    min_size=1,
    max_size=12,
)


@given(CHECKS, st.sampled_from([None, Rate("account-minute", 4, 60)]), st.integers(0, 5), st.integers(0, 5))
def test_whoever_is_refused_is_told_by_which_limit(
    given: list[tuple[str, Rate | None]], account_rate: Rate | None, used_of_tool: int, used_of_account: int
) -> None:
    """As many pass as were taken, the first; and of those that do not, a limit has nothing left."""
    checks = [Check("acme", tool, rate) for tool, rate in given if rate or account_rate]
    asks = rate_limits.asks_of(checks, account_rate)
    used = {WHOLE_ACCOUNT: used_of_account, "a": used_of_tool, "b": used_of_tool}
    left = account_rate.burst - used_of_account if account_rate else len(checks)
    taken: dict[tuple[str, str], tuple[Ask, Taken]] = {}
    for ask in reversed(asks):
        before = NOW_NS + used[ask.tool] * ask.rate.interval_ns if ask.rate else 0
        n = min(ask.n, max(left, 0), ask.rate.room(before, NOW_NS) if ask.rate else ask.n)
        if ask.tool == WHOLE_ACCOUNT:
            n = sum(one.taken for _, one in taken.values())
        left -= n
        after = ask.rate.taken(before, NOW_NS, n) if ask.rate else 0
        taken[ask.account_id, ask.tool] = (ask, Taken(n, NOW_NS, after))
    found = rate_limits.verdicts(checks, taken)
    passed = Counter(check.tool for check, one in zip(checks, found, strict=True) if one.passed)
    assert all(passed[tool] == taken["acme", tool][1].taken for tool in {check.tool for check in checks})
    for one in found:
        assert one.passed or any(not standing.remaining for standing in one.standings)
