"""The W3C trace context of the request in hand, from HTTP through gRPC and events to the analyst's row."""

import re
from contextvars import ContextVar

from services.runtime import ids

HEADER = "traceparent"
_TRACEPARENT = re.compile(r"^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$")
_trace_id: ContextVar[str] = ContextVar("trace_id", default="")


def trace_id() -> str:
    """The trace id of the request in hand, 32 hex digits; empty outside of one."""
    return _trace_id.get()


def begin(traceparent: str | None) -> str:
    """Takes up the caller's trace, or begins one; answers the trace id."""
    match = _TRACEPARENT.match(traceparent or "")
    found = match.group(1) if match else ""
    value = found if found.strip("0") else ids.random_bytes(16).hex()
    _trace_id.set(value)
    return value


def resume(trace: str) -> None:
    """Goes on with a trace that was stored, as a worker does with the job of a request long answered."""
    _trace_id.set(trace)


def traceparent() -> str:
    """The header for a call made on behalf of the request in hand, with a span id of its own."""
    return f"00-{trace_id() or ids.random_bytes(16).hex()}-{ids.random_bytes(8).hex()}-01"


def metadata() -> tuple[tuple[str, str], ...]:
    """The same as gRPC metadata."""
    return ((HEADER, traceparent()),)
