"""What the ledger's client says, as the gateway's callers are told."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from scrip_client import LedgerClient, LedgerError, LedgerRefusal, LedgerUnavailable
from services.gateway.peers import Ledger
from services.runtime.errors import Refusal, Violation

Code = grpc.StatusCode


@pytest.fixture
async def ledger() -> AsyncIterator[Ledger]:
    async with LedgerClient("localhost:1,localhost:2", "token") as client:
        yield Ledger(client)


@pytest.mark.parametrize(
    ("error", "reason", "http_status", "metadata"),
    [
        (LedgerUnavailable("late"), "UPSTREAM_UNAVAILABLE", 503, {"dependency": "ledger", "retry_after_seconds": "1"}),
        (
            LedgerRefusal("INSUFFICIENT_CREDITS", "no", {"required_micros": "5"}, Code.FAILED_PRECONDITION),
            "INSUFFICIENT_CREDITS",
            402,
            {"required_micros": "5"},
        ),
        (LedgerRefusal("INTERNAL", "SELECT secret", {}, Code.INTERNAL), "INTERNAL", 500, {"peer": "ledger"}),
        (LedgerRefusal("UNAUTHENTICATED", "token", {}, Code.UNAUTHENTICATED), "INTERNAL", 500, {"peer": "ledger"}),
        (LedgerRefusal("UNIMPLEMENTED", "method", {}, Code.UNIMPLEMENTED), "INTERNAL", 500, {"peer": "ledger"}),
    ],
)
async def test_errors_become_refusals(
    ledger: Ledger, error: LedgerError, reason: str, http_status: int, metadata: dict[str, str]
) -> None:
    """A refusal is passed on with its numbers; what the ledger says of itself or of us is not."""

    async def fails(_request: Any, _timeout: float) -> None:
        raise error

    with pytest.raises(Refusal) as told:
        await ledger.call(fails, None, 1)
    assert (told.value.reason, told.value.http_status, told.value.metadata) == (reason, http_status, metadata)
    assert "secret" not in told.value.message


async def test_a_field_that_is_wrong_is_named(ledger: Ledger) -> None:
    """As where the gateway finds it itself."""

    async def fails(_request: Any, _timeout: float) -> None:
        raise LedgerRefusal("REQUEST_INVALID", "ttl: too long", {"field": "ttl"}, Code.INVALID_ARGUMENT)

    with pytest.raises(Refusal) as told:
        await ledger.call(fails, None, 1)
    assert told.value.violations == (Violation("ttl", "too long"),)
