"""What a caller over gRPC wants run; each refusal names the field."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp
from scrip.executor.v1 import executor_pb2
from scrip.gateway.v1 import gateway_pb2

from services.gateway import bodies, idempotency, inputs, misfits, names, shapes, timing
from services.gateway.files import Files
from services.gateway.grpc_door import callers
from services.gateway.inputs import Input
from services.gateway.saga import Order
from services.gateway.tool_copies import ToolCopies
from services.runtime.errors import invalid

_PRIORITIES: Mapping[int, shapes.Priority] = {
    executor_pb2.Job.PRIORITY_INTERACTIVE: "interactive",
    executor_pb2.Job.PRIORITY_BATCH: "batch",
}
Command = gateway_pb2.ExecuteToolRequest | gateway_pb2.SubmitJobRequest


class _Notes(msgspec.Struct):
    """What a caller writes on a job, as over HTTP."""

    reference: shapes.Text
    labels: shapes.Labels


async def order_of(command: Command, copies: ToolCopies, files: Files) -> Order:
    """The order that a command is; raises Refusal."""
    payer = callers.payer(command.account_id)
    try:
        notes = msgspec.convert({"reference": command.reference, "labels": dict(command.labels)}, _Notes)
    except msgspec.ValidationError as error:
        raise misfits.unfit(error) from None
    return Order(
        account_id=payer.account_id,
        key_id=payer.key_id,
        tool=names.slug(command.tool),
        input=await input_of(command, payer.account_id, copies, files, keep=True),
        quote_id=command.quote_id,
        reference=notes.reference,
        labels=notes.labels,
        timing=timing.of(
            _time(command, "run_after"),
            _time(command, "cancel_after"),
            _PRIORITIES.get(command.priority),
            respond_async=isinstance(command, gateway_pb2.SubmitJobRequest),
        ),
    )


def _time(command: Command, field: Literal["run_after", "cancel_after"]) -> datetime | None:
    if not command.HasField(field):
        return None
    stamp: Timestamp = getattr(command, field)
    try:
        return stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise invalid(field, "must be a time from the year 1 to 9999") from error


def request_id_of(command: Command | gateway_pb2.CancelJobRequest) -> str:
    """The idempotency key of a command; raises REQUEST_INVALID."""
    return idempotency.checked_key("request_id", command.request_id)


async def input_of(
    request: Command | gateway_pb2.QuotePriceRequest,
    account_id: str,
    copies: ToolCopies,
    files: Files,
    keep: bool = False,
) -> Input:
    """The input that a request brings; `keep`: uploaded files stay as long again. Raises Refusal."""
    content = request.input_json
    if len(content) > inputs.JSON_BYTES_MAX:
        raise bodies.too_large("input_json", inputs.JSON_BYTES_MAX, len(content))
    if not content.lstrip().startswith(b"{"):
        raise invalid("input_json", "must be a JSON object in UTF-8")
    return await inputs.prepare(
        content,
        lambda: copies.file_properties(request.tool),
        lambda file_ids: files.refer(account_id, file_ids, keep),
        request.files,
    )
