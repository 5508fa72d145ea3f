"""What comes of a call of a provider, as the answer of a tool: its output and units, or why there is none. Pure."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.executor.providers.errors import Failure
from services.executor.providers.files import File, plain
from services.executor.providers.metering import Meter
from services.executor.providers.plan import HttpPlan
from services.executor.providers.streams import UnreadableError
from services.executor.worker import OUTPUT_BYTES_MAX, Answer, ToolAnswer
from services.runtime import templates
from services.runtime.expressions import ExpressionError, evaluate
from services.runtime.templates import ABSENT


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """What a call is about."""

    plan: HttpPlan
    input: Mapping[str, Any]
    files: Mapping[str, File]
    may_repeat: bool
    """Whether a call that may have happened may happen again."""
    units: Mapping[str, str]
    """By unit: expression for how many were used."""
    misfit: Callable[[Any], str] = lambda _output: ""
    """What in an output is not as the tool's schema says; empty: nothing."""
    meter: Meter = field(default_factory=lambda: Meter({}, {}))
    """What a streamed answer says and uses."""


def output_of(call: ProviderCall, context: dict[str, Any]) -> ToolAnswer:
    """The output that the last answer makes; raises UnreadableError, ExpressionError where it makes none."""
    output = templates.render(call.plan.response.output, context)
    if output is ABSENT or not isinstance(output, dict):
        raise UnreadableError("the provider's answer has no output")
    output = plain(output, "data_url")
    if problem := call.misfit(output):
        raise UnreadableError(f"the provider's answer does not fit the tool: {problem}")
    encoded = json.dumps(output, ensure_ascii=False, separators=(",", ":")).encode()
    if len(encoded) > OUTPUT_BYTES_MAX:
        message = f"the output has {len(encoded):,} bytes; at most {OUTPUT_BYTES_MAX:,} can be handed out"
        return ToolAnswer(Answer.TOO_LARGE, message=message)
    context["output"] = output
    return ToolAnswer(Answer.OUTPUT, encoded, units=_units(call, context))


def _units(call: ProviderCall, context: Mapping[str, Any]) -> dict[str, int] | None:
    """What was used; None where nothing is measured. Of a stream that the provider does not tell, what was metered."""
    if not call.units or call.plan.response.stream is None:
        return _told_units(call.units, context)
    if context["stopped"]:
        return call.meter.units()
    try:
        return _told_units(call.units, context)
    except (UnreadableError, ExpressionError):
        return call.meter.units()


def _told_units(measures: Mapping[str, str], context: Mapping[str, Any]) -> dict[str, int] | None:
    """What the provider says was used, begun units whole."""
    used = {}
    for unit, expression in measures.items():
        found = evaluate(expression, context)
        if isinstance(found, str):
            try:
                found = float(found)
            except ValueError:
                found = None
        if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < 2**53:
            raise UnreadableError(f"the provider did not say how many {unit or 'unit'}s it used")
        used[unit] = math.ceil(found)
    return used or None


def told(failure: Failure, status: int) -> ToolAnswer:
    """An error of the provider: for the caller what concerns the caller, for the log the rest."""
    said = f": {failure.message}" if failure.message else ""
    detail = f"status {status}{said}"
    match failure.means:
        case "input":
            return ToolAnswer(Answer.REJECTED, message=f"the provider does not take this input{said}")
        case "refused":
            message = f"the provider refused this content{said}"
            return ToolAnswer(Answer.REFUSED, message=message)
        case "quota":
            # Ours, not the caller's: what the provider says of it is for the log.
            return failed("PROVIDER_QUOTA", "the provider takes no more calls from here for now", detail)
        case "key":
            return failed("PROVIDER_KEY", "the provider does not accept the key it is called with", detail)
        case "retry":
            return failed("PROVIDER_UNAVAILABLE", "the provider is busy or down; try again later", detail)
        case _:
            return failed("PROVIDER_FAILED", f"the provider failed on this{said}", detail)


def failed(reason: str, message: str, detail: str) -> ToolAnswer:
    """A call that failed; `detail` is for the log."""
    return ToolAnswer(Answer.FAILED, reason=reason, message=message, detail=detail)
