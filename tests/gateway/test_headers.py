"""Headers and query parameters."""

import asyncio

import pytest
from litestar import Request
from litestar.testing import RequestFactory

from services.gateway import idempotency, pages, waiting
from services.runtime import clock
from services.runtime.errors import Refusal


@pytest.mark.parametrize(
    ("headers", "seconds", "applied"),
    [
        ([], 30, ""),
        (["wait=10"], 10, "wait=10"),
        (["wait=0"], 0, "wait=0"),
        (["wait=60"], 60, "wait=60"),
        (['Wait = "5"'], 5, "wait=5"),
        (["respond-async"], 0, "respond-async"),
        (["respond-async, wait=10"], 0, "respond-async"),
        (["return=minimal", "wait=7;x=y, wait=9"], 7, "wait=7"),
        (["handling=lenient"], 30, ""),
    ],
)
def test_prefer_says_how_long_to_wait(headers: list[str], seconds: int, applied: str) -> None:
    """The first wait counts, respond-async is 0, other preferences are none of ours."""
    assert waiting.parse(headers) == waiting.Preference(seconds, applied)


@pytest.mark.parametrize(
    "header", ["wait=61", "wait=-1", "wait=1.5", "wait=x", "wait=", "wait", "wait=٣", "wait=99999"]
)
def test_a_wait_that_is_none_is_refused(header: str) -> None:
    """A wait that is no whole number from 0 to 60 is REQUEST_INVALID."""
    with pytest.raises(Refusal) as refused:
        waiting.parse([header])
    assert (refused.value.reason, refused.value.metadata["field"]) == ("REQUEST_INVALID", "Prefer")


async def test_waits_end_when_the_gateway_stops() -> None:
    """A wait under way ends at once, a later one as it begins, and what is in them goes on after them."""
    waits = waiting.Waits()
    begun = asyncio.Event()

    async def wait() -> str:
        async with waits.up_to(60):
            begun.set()
            await asyncio.Event().wait()
        return "went on"

    started = clock.monotonic()
    under_way = asyncio.create_task(wait())
    await begun.wait()
    waits.end()
    assert await under_way == "went on"
    assert await wait() == "went on"
    assert clock.monotonic() - started < 5


@pytest.mark.parametrize(
    ("header", "key"),
    [(None, None), ("abc", "abc"), ('"abc"', "abc"), (" abc ", "abc"), ('"', '"'), ("x" * 128, "x" * 128)],
)
def test_a_key_is_bare_or_quoted(header: str | None, key: str | None) -> None:
    """An Idempotency-Key is the same bare and in quotes."""
    assert idempotency.parse_key(header) == key


@pytest.mark.parametrize("header", ["", '""', "a b", "ä", "x" * 129, "a\tb"])
def test_a_key_that_is_none_is_refused(header: str) -> None:
    """An Idempotency-Key that is not 1 to 128 visible ASCII characters is REQUEST_INVALID."""
    with pytest.raises(Refusal) as refused:
        idempotency.parse_key(header)
    assert refused.value.reason == "REQUEST_INVALID"


def request_of(query: str) -> Request:
    return RequestFactory().get("/v1/jobs", query_params=dict(part.split("=") for part in query.split("&") if part))


def test_pages_have_defaults_and_limits() -> None:
    """A page has 50 items unless asked otherwise, 200 at most."""
    assert pages.of(request_of("")) == pages.Page(50, "")
    assert pages.of(request_of("page_size=200&page_token=x")) == pages.Page(200, "x")
    for wrong in ("0", "201", "-1", "x", "1.5", "", "99999"):
        with pytest.raises(Refusal) as refused:
            pages.of(request_of(f"page_size={wrong}"))
        assert refused.value.metadata["field"] == "page_size"
