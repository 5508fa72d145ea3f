"""What a caller may be told. Every refusal has a reason; one table gives its gRPC code and HTTP status.

A `Refusal` reaches the caller whole: its message names what was wrong with the numbers, and `metadata` carries each of
those numbers. Any other exception reaches nobody: callers see INTERNAL and a trace id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import grpc

Code = grpc.StatusCode


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a reason is said over gRPC and over HTTP."""

    code: grpc.StatusCode
    http_status: int


REASONS: Mapping[str, Outcome] = {
    "REQUEST_INVALID": Outcome(Code.INVALID_ARGUMENT, 400),
    "INPUT_INVALID": Outcome(Code.INVALID_ARGUMENT, 422),
    "INPUT_TOO_LARGE": Outcome(Code.INVALID_ARGUMENT, 413),
    "MANIFEST_INVALID": Outcome(Code.INVALID_ARGUMENT, 422),
    "UNAUTHENTICATED": Outcome(Code.UNAUTHENTICATED, 401),
    "FORBIDDEN": Outcome(Code.PERMISSION_DENIED, 403),
    "ACCOUNT_REQUIRED": Outcome(Code.PERMISSION_DENIED, 403),
    "NOT_FOUND": Outcome(Code.NOT_FOUND, 404),
    "METHOD_NOT_ALLOWED": Outcome(Code.UNIMPLEMENTED, 405),
    "ACCOUNT_NOT_FOUND": Outcome(Code.NOT_FOUND, 404),
    "RESERVATION_NOT_FOUND": Outcome(Code.NOT_FOUND, 404),
    "GRANT_NOT_FOUND": Outcome(Code.NOT_FOUND, 404),
    "TRANSFER_NOT_FOUND": Outcome(Code.NOT_FOUND, 404),
    "TOOL_NOT_FOUND": Outcome(Code.NOT_FOUND, 404),
    "CATEGORY_NOT_FOUND": Outcome(Code.NOT_FOUND, 404),
    "JOB_NOT_FOUND": Outcome(Code.NOT_FOUND, 404),
    "FILE_NOT_FOUND": Outcome(Code.NOT_FOUND, 404),
    "ACCOUNT_EXISTS": Outcome(Code.ALREADY_EXISTS, 409),
    "CATEGORY_IN_USE": Outcome(Code.FAILED_PRECONDITION, 409),
    "TOOL_DISABLED": Outcome(Code.FAILED_PRECONDITION, 403),
    "TOOL_UNAVAILABLE": Outcome(Code.UNAVAILABLE, 503),
    "INSUFFICIENT_CREDITS": Outcome(Code.FAILED_PRECONDITION, 402),
    "ACCOUNT_FROZEN": Outcome(Code.FAILED_PRECONDITION, 403),
    "ACCOUNT_CLOSED": Outcome(Code.FAILED_PRECONDITION, 403),
    "QUOTE_MALFORMED": Outcome(Code.INVALID_ARGUMENT, 400),
    "QUOTE_EXPIRED": Outcome(Code.FAILED_PRECONDITION, 409),
    "QUOTE_OTHER_INPUT": Outcome(Code.FAILED_PRECONDITION, 409),
    "QUOTE_OTHER_ACCOUNT": Outcome(Code.NOT_FOUND, 404),
    "QUOTE_USED": Outcome(Code.FAILED_PRECONDITION, 409),
    "REQUEST_ID_REUSED": Outcome(Code.ALREADY_EXISTS, 422),
    "REQUEST_IN_FLIGHT": Outcome(Code.ABORTED, 409),
    "REQUEST_EXPIRED": Outcome(Code.FAILED_PRECONDITION, 409),
    "IDEMPOTENCY_KEY_REQUIRED": Outcome(Code.INVALID_ARGUMENT, 400),
    "JOB_ENDED": Outcome(Code.FAILED_PRECONDITION, 409),
    "JOB_NOT_INDETERMINATE": Outcome(Code.FAILED_PRECONDITION, 409),
    "RATE_LIMITED": Outcome(Code.RESOURCE_EXHAUSTED, 429),
    "RESERVATION_ENDED": Outcome(Code.FAILED_PRECONDITION, 409),
    "RESERVATION_EXPIRED": Outcome(Code.FAILED_PRECONDITION, 409),
    "CAPTURE_EXCEEDS_RESERVED": Outcome(Code.FAILED_PRECONDITION, 409),
    "REFUND_EXCEEDS_CAPTURED": Outcome(Code.FAILED_PRECONDITION, 409),
    "GRANT_ENDED": Outcome(Code.FAILED_PRECONDITION, 409),
    "TOO_MANY_GRANTS": Outcome(Code.FAILED_PRECONDITION, 409),
    "TRANSFER_REJECTED": Outcome(Code.FAILED_PRECONDITION, 409),
    "CREDIT_LIMIT_BELOW_USED": Outcome(Code.FAILED_PRECONDITION, 409),
    "ACCOUNT_NOT_EMPTY": Outcome(Code.FAILED_PRECONDITION, 409),
    "BATCH_REFUSED": Outcome(Code.FAILED_PRECONDITION, 409),
    "UPSTREAM_UNAVAILABLE": Outcome(Code.UNAVAILABLE, 503),
    "DEADLINE_EXCEEDED": Outcome(Code.DEADLINE_EXCEEDED, 504),
    "INTERNAL": Outcome(Code.INTERNAL, 500),
}


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing wrong with a request. `field` is a field's path, or a JSON pointer into a tool's input."""

    field: str
    message: str
    keyword: str = ""


class Refusal(Exception):
    """A request that is not done, and why; its text is for the caller."""

    def __init__(
        self,
        reason: str,
        message: str,
        metadata: Mapping[str, str | int] | None = None,
        violations: Sequence[Violation] = (),
        code: grpc.StatusCode | None = None,
    ) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.metadata = {key: str(value) for key, value in (metadata or {}).items()}
        self.violations = tuple(violations)
        self.code = code or REASONS[reason].code

    @property
    def http_status(self) -> int:
        """The HTTP status of its reason; 500 for a reason this program does not know."""
        outcome = REASONS.get(self.reason)
        return outcome.http_status if outcome else 500


def invalid(field: str, message: str, **metadata: str | int) -> Refusal:
    """REQUEST_INVALID for one field."""
    return Refusal("REQUEST_INVALID", f"{field}: {message}", {"field": field, **metadata}, [Violation(field, message)])


def unavailable(dependency: str) -> Refusal:
    """UPSTREAM_UNAVAILABLE: something this request needs does not answer."""
    return Refusal(
        "UPSTREAM_UNAVAILABLE",
        f"{dependency} does not answer; try again shortly",
        {"dependency": dependency, "retry_after_seconds": 1},
    )
