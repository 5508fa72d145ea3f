"""How often something may be done: the arithmetic of GCRA, and how a limit is said in headers.

A limit is a bucket of `burst` permits that fills at an even pace. One number says how much is in it: `full_at_ns`, when
it will be full again, in nanoseconds since 1970. A bucket nobody took from is full since ever: 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

SECOND_NS = 1_000_000_000
# What may be had at once: what comes back in a sixtieth of the window, or this many where the limit allows them.
BURST_MIN = 5
BURST_PARTS = 60


@dataclass(frozen=True, slots=True)
class Rate:
    """`limit` permits in `window_seconds`; `policy` is its name in headers."""

    policy: str
    limit: int
    window_seconds: int

    @property
    def burst(self) -> int:
        """Permits in a full bucket."""
        return max(_up(self.limit, BURST_PARTS), min(self.limit, BURST_MIN))

    @property
    def interval_ns(self) -> int:
        """From one permit to the next; rounded up, so that never more than `limit` come back in a window."""
        return _up(self.window_seconds * SECOND_NS, self.limit)

    def room(self, full_at_ns: int, now_ns: int) -> int:
        """Permits that can be had now."""
        missing_ns = max(full_at_ns - now_ns, 0)
        return max(self.burst - _up(missing_ns, self.interval_ns), 0)

    def taken(self, full_at_ns: int, now_ns: int, n: int) -> int:
        """The bucket after `n` permits were taken, of which there was room for all."""
        return max(full_at_ns, now_ns) + n * self.interval_ns

    def wait_ns(self, full_at_ns: int, now_ns: int) -> int:
        """Until there is room for one."""
        return max(full_at_ns - (self.burst - 1) * self.interval_ns - now_ns, 0)


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands with a limit: permits left, and seconds until there are more."""

    rate: Rate
    remaining: int
    reset_seconds: int


def standing(rate: Rate, full_at_ns: int, now_ns: int) -> Standing:
    """How things stand now: reset is when the bucket is full, or, where nothing is left, when one can be had."""
    remaining = rate.room(full_at_ns, now_ns)
    reset_ns = full_at_ns - now_ns if remaining else rate.wait_ns(full_at_ns, now_ns)
    return Standing(rate, remaining, max(_up(reset_ns, SECOND_NS), 0 if remaining else 1))


def headers(standings: Sequence[Standing]) -> dict[str, str]:
    """`RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers); nothing where no limit applies."""
    if not standings:
        return {}
    policies = (f'"{one.rate.policy}";q={one.rate.limit};w={one.rate.window_seconds}' for one in standings)
    limits = (f'"{one.rate.policy}";r={one.remaining};t={one.reset_seconds}' for one in standings)
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(limits)}


def _up(dividend: int, divisor: int) -> int:
    """The quotient, rounded up."""
    return -(-dividend // divisor)
