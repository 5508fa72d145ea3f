"""Refusals as google.rpc rich errors, and back."""

from typing import cast

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from services.runtime.errors import Refusal, Violation, unavailable

# Header limits of HTTP/2 peers are about 8 KiB; a longer list of violations would lose the whole status.
_VIOLATIONS_MAX = 100
_DETAILS_BYTES_MAX = 6_000
# What a peer says of itself, or of us; nothing of it is for our own caller.
_OF_THE_PEER = frozenset({"INTERNAL", "UNAUTHENTICATED", "DEADLINE_EXCEEDED"})
_BY_NUMBER = {code.value[0]: code for code in grpc.StatusCode}


def to_status(refusal: Refusal, domain: str) -> grpc.Status:
    """The status with one ErrorInfo, and BadRequest where fields are at fault."""
    info = any_pb2.Any()
    info.Pack(error_details_pb2.ErrorInfo(reason=refusal.reason, domain=domain, metadata=refusal.metadata))
    details = [info]
    if refusal.violations:
        bad_request = error_details_pb2.BadRequest()
        for violation in refusal.violations[:_VIOLATIONS_MAX]:
            if bad_request.ByteSize() + len(f"{violation.message}{violation.field}".encode()) > _DETAILS_BYTES_MAX:
                break
            bad_request.field_violations.add(
                field=violation.field, description=violation.message, reason=violation.keyword
            )
        packed = any_pb2.Any()
        packed.Pack(bad_request)
        details.append(packed)
    proto = status_pb2.Status(code=refusal.code.value[0], message=refusal.message, details=details)
    return cast("grpc.Status", rpc_status.to_status(proto))


def from_error(error: grpc.aio.AioRpcError, peer: str) -> Refusal:
    """What a peer's error means to our own caller: its refusal, or that the peer does not answer."""
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    violations: list[Violation] = []
    for detail in status.details if status else ():
        bad_request = error_details_pb2.BadRequest()
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Unpack(bad_request):
            violations = [Violation(v.field, v.description, v.reason) for v in bad_request.field_violations]
    if info.reason and info.reason not in _OF_THE_PEER:
        return Refusal(info.reason, error.details() or "", dict(info.metadata), violations, error.code())
    if error.code() in (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
    ):
        return unavailable(peer)
    return Refusal("INTERNAL", f"{peer} failed", {"peer": peer})


def code_of(number: int) -> grpc.StatusCode:
    """The status code of its number, as a batch's result carries it."""
    return _BY_NUMBER.get(number, grpc.StatusCode.UNKNOWN)
