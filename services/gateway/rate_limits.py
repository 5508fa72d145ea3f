"""Which limits apply to an execution, and whether it may go on; exact over all gateways, whose buckets are one table.

Checks that arrive while a statement is under way go together as the next one.
"""

import asyncio
import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scrip.catalog.v1 import catalog_pb2

from services.gateway.rate_store import WHOLE_ACCOUNT, Ask, RateStore, Taken
from services.gateway.rates import Rate, Standing, standing
from services.runtime.errors import Refusal, unavailable
from services.runtime.grouping import Grouped

HOUR_SECONDS = 3_600
MINUTE_SECONDS = 60
# All that wait go into one statement. A check waits for the one under way and for its own: together for less time than
# a driver may hold an idempotency row, so that nobody counts for the same row meanwhile.
TAKE_SECONDS = 2.0
CHECKS_MAX = 2_000

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Check:
    """One execution. Without a rate the tool has no limit of its own."""

    account_id: str
    tool: str
    rate: Rate | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an execution may go on, and how its account then stands with each limit that applies."""

    passed: bool
    standings: tuple[Standing, ...]


class RateLimits:
    """One a process; `run` is its worker."""

    def __init__(self, store: RateStore, account_rate_per_minute: int = 0) -> None:
        self._store = store
        self._account_rate = (
            Rate("account-minute", account_rate_per_minute, MINUTE_SECONDS) if account_rate_per_minute else None
        )
        self._checks: Grouped[Check, Verdict] = Grouped(
            "gateway", "rates", self._take, batch_max=CHECKS_MAX, waiting_max=CHECKS_MAX
        )
        self.run = self._checks.run

    async def count(self, quote: catalog_pb2.Quote) -> tuple[Standing, ...]:
        """Counts the execution of a quote against all limits that apply; without any, nothing is asked.

        Raises RATE_LIMITED, and then nothing was counted; UPSTREAM_UNAVAILABLE when nobody can tell.
        """
        limit = quote.limits.rate_per_hour
        rate = tool_rate(limit) if limit > 0 else None
        if rate is None and self._account_rate is None:
            return ()
        verdict = await self._checks.do(Check(quote.account_id, quote.tool, rate))
        if not verdict.passed:
            raise _refusal(quote.tool, verdict.standings)
        return verdict.standings

    async def _take(self, checks: Sequence[Check]) -> list[Verdict]:
        asks = asks_of(checks, self._account_rate)
        try:
            async with asyncio.timeout(TAKE_SECONDS):
                taken = await self._store.take(asks)
        except TimeoutError as error:
            raise unavailable("database") from error
        by_key = {(ask.account_id, ask.tool): (ask, one) for ask, one in zip(asks, taken, strict=True)}
        return verdicts(checks, by_key)


@functools.lru_cache
def tool_rate(limit: int) -> Rate:
    """The rate of a tool that may be executed so often in an hour."""
    return Rate("tool-hour", limit, HOUR_SECONDS)


def asks_of(checks: Sequence[Check], account_rate: Rate | None) -> list[Ask]:
    """One ask for each bucket, in the store's order."""
    counts = Counter((check.account_id, check.tool) for check in checks)
    rates: dict[Key, Rate | None] = {}
    for check in checks:
        key = check.account_id, check.tool
        known = rates.get(key)
        # Quotes of two versions of a tool: both keep to the lower limit, for they share a bucket.
        rates[key] = min(known, check.rate, key=_limit) if known and check.rate else known or check.rate
    if account_rate:
        rates |= {(account_id, WHOLE_ACCOUNT): account_rate for account_id, _ in counts}
    return [Ask(*key, counts[key], rates[key]) for key in sorted(rates)]


def verdicts(checks: Sequence[Check], taken: Mapping[Key, tuple[Ask, Taken]]) -> list[Verdict]:
    """What becomes of checks that were asked together: the first get what was taken; the others are refused."""
    served: Counter[Key] = Counter()
    standings: dict[Key, tuple[Standing, ...]] = {}
    found = []
    for check in checks:
        key = check.account_id, check.tool
        if key not in standings:
            standings[key] = _standings(taken.get(key), taken.get((check.account_id, WHOLE_ACCOUNT)))
        served[key] += 1
        found.append(Verdict(served[key] <= taken[key][1].taken, standings[key]))
    return found


def _standings(*buckets: tuple[Ask, Taken] | None) -> tuple[Standing, ...]:
    """After all of them, of those that have a limit."""
    return tuple(standing(ask.rate, taken.full_at_ns, taken.now_ns) for ask, taken in filter(None, buckets) if ask.rate)


def _limit(rate: Rate) -> int:
    return rate.limit


def _refusal(tool: str, standings: Sequence[Standing]) -> Refusal:
    """RATE_LIMITED by the limit that lasts longest of those that are used up."""
    worst = max((one for one in standings if not one.remaining), key=lambda one: one.reset_seconds)
    rate, seconds = worst.rate, worst.reset_seconds
    pace = f"{rate.limit} an hour for executions of {tool}"
    if rate.policy == "account-minute":
        pace = f"{rate.limit} a minute for executions of all tools"
    return Refusal(
        "RATE_LIMITED",
        f"this account's limit is {pace}, {rate.burst} of them at once; try again in {seconds} s",
        {
            "policy": rate.policy,
            "tool": tool,
            "limit": rate.limit,
            "window_seconds": rate.window_seconds,
            "burst": rate.burst,
            "retry_after_seconds": seconds,
        },
    )
