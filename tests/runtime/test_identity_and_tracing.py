"""Who calls, and for which request."""

import asyncio
import hashlib
import json
import logging
import re
from pathlib import Path

import pytest
import structlog

from services.runtime import clock, identity, ids, logs, tracing
from services.runtime.errors import Refusal
from services.runtime.identity import ServiceTokens

TOKEN = "scrip_svc_gateway_secret"
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@pytest.fixture
def tokens(tmp_path: Path) -> ServiceTokens:
    path = tmp_path / "tokens"
    path.write_text(f"# who may call\n\ngateway {digest(TOKEN)}\nexecutor {digest('other').upper()}\n")
    return ServiceTokens(path)


@pytest.mark.parametrize(("authorization", "name"), [(f"Bearer {TOKEN}", "gateway"), ("bearer  other ", "executor")])
async def test_a_known_token_names_its_service(tokens: ServiceTokens, authorization: str, name: str) -> None:
    """The caller is whom the file gives the token's hash to."""
    assert await tokens.authenticate(authorization) == name
    assert (identity.caller(), identity.actor()) == (name, f"service:{name}")


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer ", "Bearer x", f"Basic {TOKEN}", TOKEN, digest(TOKEN)])
async def test_anything_else_names_nobody(tokens: ServiceTokens, authorization: str) -> None:
    """A missing, unknown or otherwise offered token is UNAUTHENTICATED, and the hash itself opens nothing."""
    with pytest.raises(Refusal) as caught:
        await tokens.authenticate(authorization)
    assert caught.value.reason == "UNAUTHENTICATED"


@pytest.mark.parametrize("line", ["gateway", "gateway abc", f"gateway {'0' * 63}"])
def test_a_damaged_file_of_tokens_is_told(tmp_path: Path, line: str) -> None:
    """A line that is no `name sha256-hex` stops the start, naming its number and not its content."""
    (tmp_path / "tokens").write_text(f"# first\n{line}\n")
    with pytest.raises(ValueError, match=r"^tokens, line 2: expected"):
        ServiceTokens(tmp_path / "tokens")


@pytest.mark.parametrize(
    "header",
    [f"00-{TRACE}-b7ad6b7169203331-01", f"00-{TRACE}-b7ad6b7169203331-00", f"cc-{TRACE}-b7ad6b7169203331-01-x"],
)
def test_the_callers_trace_is_taken_up(header: str) -> None:
    """A valid traceparent, of a later version too, gives the trace id."""
    assert tracing.begin(header) == tracing.trace_id() == TRACE


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "rubbish",
        f"00-{TRACE}",
        f"00-{TRACE.upper()}-b7ad6b7169203331-01",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
    ],
)
def test_without_a_valid_trace_one_begins(header: str | None) -> None:
    """A missing, malformed or zero trace is replaced by a new one."""
    begun = tracing.begin(header)
    assert re.fullmatch("[0-9a-f]{32}", begun)
    assert begun != TRACE
    assert begun != tracing.begin(header)


def test_calls_on_behalf_of_a_request_carry_its_trace() -> None:
    """The header has the request's trace and a span of its own each time."""
    tracing.resume(TRACE)
    first, second = tracing.traceparent(), tracing.traceparent()
    assert first != second
    for header in (first, second):
        assert tracing.begin(header) == TRACE


async def test_requests_do_not_share_a_trace() -> None:
    """Tasks beside each other have each their own."""

    async def request(trace: str) -> str:
        tracing.resume(trace)
        await asyncio.sleep(0)
        return tracing.trace_id()

    traces = [f"{number:032x}" for number in range(1, 6)]
    assert await asyncio.gather(*(request(trace) for trace in traces)) == traces


def test_a_log_line_carries_service_and_trace(capsys: pytest.CaptureFixture[str]) -> None:
    """Every line, of ours or of a library, is one JSON object that can be found by its trace."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        logs.configure("ledger", "info", "json")
        tracing.resume(TRACE)
        logs.get("test").warning("told", number=7)
        logging.getLogger("library").warning("also %s", "told")
        logs.get("test").debug("not told")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
    ours, theirs = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (ours["event"], ours["number"], ours["service"], ours["trace_id"]) == ("told", 7, "ledger", TRACE)
    assert (theirs["event"], theirs["service"], theirs["trace_id"]) == ("also told", "ledger", TRACE)


def test_times_pass_through_no_float() -> None:
    """Microseconds survive both ways, far from the epoch too."""
    for micros in (0, 1, -1, 1_767_225_599_999_999, 253_402_300_799_999_999):
        assert clock.to_us(clock.from_us(micros)) == micros


def test_ids_sort_by_the_time_they_were_made() -> None:
    """UUIDs of version 7 are unique, and of a later millisecond greater."""
    made = [ids.uuid7() for _ in range(500)]
    assert len(set(made)) == len(made)
    assert [value[:13] for value in made] == sorted(value[:13] for value in made)
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", v) for v in made)
