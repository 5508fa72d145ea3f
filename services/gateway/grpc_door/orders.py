"""What a caller over gRPC wants run; each refusal names the field."""

import msgspec
from scrip.gateway.v1 import gateway_pb2

from services.gateway import bodies, idempotency, inputs, names, shapes
from services.gateway.grpc_door import callers
from services.gateway.inputs import Input
from services.gateway.saga import Order
from services.gateway.tool_copies import ToolCopies
from services.runtime.errors import invalid

Command = gateway_pb2.ExecuteToolRequest | gateway_pb2.SubmitJobRequest


class _Notes(msgspec.Struct):
    """What a caller writes on a job, as over HTTP."""

    reference: shapes.Text
    labels: shapes.Labels


async def order_of(command: Command, copies: ToolCopies) -> Order:
    """The order that a command is; raises Refusal."""
    payer = callers.payer(command.account_id)
    try:
        notes = msgspec.convert({"reference": command.reference, "labels": dict(command.labels)}, _Notes)
    except msgspec.ValidationError as error:
        raise bodies.unfit(error) from None
    return Order(
        account_id=payer.account_id,
        key_id=payer.key_id,
        tool=names.slug(command.tool),
        input=await input_of(command, copies),
        quote_id=command.quote_id,
        reference=notes.reference,
        labels=notes.labels,
    )


def request_id_of(command: Command) -> str:
    """The idempotency key of a command; raises REQUEST_INVALID."""
    return idempotency.checked_key("request_id", command.request_id)


async def input_of(request: Command | gateway_pb2.QuotePriceRequest, copies: ToolCopies) -> Input:
    """The input that a request brings; raises Refusal."""
    content = request.input_json
    if len(content) > inputs.JSON_BYTES_MAX:
        raise bodies.too_large("input_json", inputs.JSON_BYTES_MAX, len(content))
    if not content.lstrip().startswith(b"{"):
        raise invalid("input_json", "must be a JSON object in UTF-8")
    return await inputs.prepare(content, lambda: copies.file_properties(request.tool), request.files)
