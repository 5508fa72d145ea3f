"""What a caller may meet.

LedgerError
├── LedgerRefusal        the ledger's answer is no; asking again gives it again
└── LedgerUnavailable    there is no answer, and the command may have been applied: ask again with the same request id

Inside the client, and in what `execute_many` answers, a failure is a `CommandResult` with an error, wherever it
happened: a command that is refused, a call that fails and a deadline that passes look the same.
"""

from collections.abc import Mapping
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2
from scrip.ledger.v1 import ledger_pb2

_DETAILS = "grpc-status-details-bin"
_CODES = {code.value[0]: code for code in grpc.StatusCode}
UNAVAILABLE: int = grpc.StatusCode.UNAVAILABLE.value[0]
_PASSING = frozenset({UNAVAILABLE, grpc.StatusCode.ABORTED.value[0]})
# Codes of a call that say nothing about what it asked for.
_NO_ANSWER = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)


class LedgerError(Exception):
    """The ledger did not do what it was asked for."""


class LedgerRefusal(LedgerError):
    """The ledger refused, and why.

    `reason` is a stable word like INSUFFICIENT_CREDITS (where the ledger gave none, the name of the gRPC code),
    `message` a sentence for people, `metadata` every number that the message names, as text.
    """

    def __init__(self, reason: str, message: str, metadata: Mapping[str, str], code: grpc.StatusCode) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.metadata = dict(metadata)
        self.code = code


class LedgerUnavailable(LedgerError):
    """No replica answered for good within the attempts and the time given; try again shortly, with the same request."""


def failed(code: grpc.StatusCode, reason: str, message: str) -> ledger_pb2.CommandResult:
    """The result of a command that got no answer of its own."""
    error = ledger_pb2.CommandError(code=code.value[0], reason=reason, message=message)
    return ledger_pb2.CommandResult(error=error)


def unavailable(message: str) -> ledger_pb2.CommandResult:
    """The result of a command that may be tried again."""
    return failed(grpc.StatusCode.UNAVAILABLE, "UPSTREAM_UNAVAILABLE", message)


def cancelled(message: str) -> ledger_pb2.CommandResult:
    """The result of a command that nobody tries again."""
    return failed(grpc.StatusCode.CANCELLED, "CANCELLED", message)


def is_passing(error: ledger_pb2.CommandError) -> bool:
    """Whether the same command may get another answer soon."""
    return error.code in _PASSING


def exception_of(error: ledger_pb2.CommandError) -> LedgerError:
    """What a single caller is told."""
    code = _CODES.get(error.code, grpc.StatusCode.UNKNOWN)
    if is_passing(error) or code in _NO_ANSWER:
        return LedgerUnavailable(error.message)
    return LedgerRefusal(error.reason, error.message, error.metadata, code)


def error_of(failure: grpc.aio.AioRpcError) -> ledger_pb2.CommandError:
    """Why a call failed as a whole; whatever is no answer, a deadline too, has the code UNAVAILABLE."""
    info = _info(failure)
    silent = failure.code() in _NO_ANSWER
    code = grpc.StatusCode.UNAVAILABLE if silent else failure.code()
    reason = info.reason or ("UPSTREAM_UNAVAILABLE" if silent else code.name)
    return ledger_pb2.CommandError(
        code=code.value[0], reason=reason, message=failure.details() or "", metadata=info.metadata
    )


def _info(failure: grpc.aio.AioRpcError) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    trailers: Any = failure.trailing_metadata() or ()
    for name, value in trailers:
        if name == _DETAILS:
            for detail in status_pb2.Status.FromString(value).details:
                if detail.Unpack(info):
                    return info
    return info
