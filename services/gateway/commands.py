"""What the commands of operators have in common: their request id, who is behind them, and how a replay is told."""

from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from litestar import Request
from scrip.ledger.v1 import ledger_pb2

from services.gateway import answers, credits, idempotency
from services.gateway.answers import Answer
from services.gateway.auth import Caller
from services.runtime import ids, tracing
from services.runtime.errors import Refusal, invalid

SECONDS = 5.0
REPLAYED = {"Idempotent-Replayed": "true"}
REPLAYED_HEADER = {"Idempotent-Replayed": "`true`: an earlier request with this Idempotency-Key did it."}
# What every command that moves money may be refused with.
PROBLEMS = (
    *("REQUEST_INVALID", "IDEMPOTENCY_KEY_REQUIRED", "REQUEST_ID_REUSED", "REQUEST_EXPIRED"),
    *("ACCOUNT_NOT_FOUND", "ACCOUNT_CLOSED", "FORBIDDEN"),
)


class Replayable(Protocol):
    """A response of the ledger."""

    replayed: bool


def request_id(request: Request[Any, Any, Any]) -> str:
    """The id of a command that an Idempotency-Key may name."""
    return idempotency.parse_key(request.headers.get("idempotency-key")) or ids.uuid7()


def required_request_id(request: Request[Any, Any, Any]) -> str:
    """The id of a command that moves money: its Idempotency-Key; raises IDEMPOTENCY_KEY_REQUIRED."""
    key = idempotency.parse_key(request.headers.get("idempotency-key"))
    if key is None:
        raise Refusal("IDEMPOTENCY_KEY_REQUIRED", "what moves money needs an Idempotency-Key header")
    return key


def subject(caller: Caller, reference: str = "") -> ledger_pb2.Subject:
    """What a command of an operator is about."""
    return ledger_pb2.Subject(reference=reference, key_id=caller.key_id, trace_id=tracing.trace_id())


def micros(field: str, text: str, parse: Callable[[str], int] = credits.parse) -> int:
    """Microcredits of a member; raises REQUEST_INVALID, naming it."""
    try:
        return parse(text)
    except ValueError as error:
        raise invalid(field, str(error)) from None


def done(shape: msgspec.Struct, response: Replayable, status: int = 200) -> Answer:
    """The answer to a command, which says whether an earlier request did it."""
    return answers.of(shape, status, REPLAYED if response.replayed else None)
