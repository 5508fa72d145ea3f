"""What comes of a call of a provider, as the answer of a tool: its output and units, or why there is none. Pure."""

import json
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.executor.providers.begun import Begun
from services.executor.providers.course import Course
from services.executor.providers.errors import Failure
from services.executor.providers.files import File, check_files, content_of, plain
from services.executor.providers.health import Visit, alone
from services.executor.providers.metering import Meter
from services.executor.providers.plan import HttpPlan
from services.executor.providers.secrets import masked
from services.executor.providers.sendable import UnsendableError
from services.executor.providers.streams import UnreadableError
from services.executor.rules.answers import Answer, ToolAnswer, whole_units
from services.executor.rules.output_files import OutputTooLargeError, Places, check_json, split
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
    begun: Begun | None = None
    """Work that the provider has begun already: it is not asked for again."""
    keep: Callable[[Begun], Awaitable[None]] | None = None
    """Called with what the provider has begun, before it is looked at."""
    visit: Visit = field(default_factory=alone)
    """Its place at the provider."""
    course: Course = field(default_factory=Course)
    until: float = math.inf
    """When the time of the call is over, on the monotonic clock."""
    job_id: str = ""
    file_places: Places = field(default_factory=dict)
    """Where an output has files."""

    @property
    def meter(self) -> Meter:
        """What a streamed answer says and uses; where nobody else asks, it counts nothing."""
        if self.course.meter is None:
            self.course.meter = Meter({}, {})
        return self.course.meter


def output_of(call: ProviderCall, context: dict[str, Any], secret: str) -> ToolAnswer:
    """The output that the last answer makes, without the secret; raises UnreadableError, ExpressionError where it makes
    none.

    Its files may have megabytes: to be called on a thread.
    """
    output = templates.render(call.plan.response.output, context)
    if output is ABSENT or not isinstance(output, dict):
        raise UnreadableError("the provider's answer has no output")
    try:
        check_files(output, call.file_places)
        output, files = split(output, call.file_places, call.job_id, content_of)
        output = masked(plain(output, "data_url"), secret)
        if problem := call.misfit(output):
            raise UnreadableError(f"the provider's answer does not fit the tool: {problem}")
        encoded = check_json(json.dumps(output, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode())
    except OutputTooLargeError as error:
        return ToolAnswer(Answer.TOO_LARGE, message=str(error))
    except ValueError as error:
        raise UnreadableError("the provider's answer has text or a number that JSON does not have") from error
    context["output"] = output
    return ToolAnswer(Answer.OUTPUT, encoded, files)


def used(call: ProviderCall, context: Mapping[str, Any]) -> tuple[dict[str, int], dict[str, int]]:
    """Units used by a call that made its output, and those that the provider says, which are the same; but where a
    stream is left before its end, or the provider does not tell, or not of all that it said, what was metered counts.

    Raises UnreadableError, ExpressionError.
    """
    if call.plan.response.stream is None:
        told = told_units(call.units, context)
        return told, told
    try:
        told = told_units(call.units, context)
    except (UnreadableError, ExpressionError):
        told = {}
    is_of_a_part = context["stopped"] or call.meter.is_ahead
    return (call.meter.units() if is_of_a_part or not told else told), told


def told_units(measures: Mapping[str, str], context: Mapping[str, Any]) -> dict[str, int]:
    """What the provider says was used, by unit, begun ones whole; raises UnreadableError where it does not say."""
    used: dict[str, int] = {}
    for unit, expression in measures.items():
        found = evaluate(expression, context)
        if isinstance(found, str):
            try:
                found = float(found)
            except ValueError:
                found = None
        units = whole_units(found)
        if units is None:
            raise UnreadableError(f"the provider did not say how many {unit or 'unit'}s it used")
        used[unit] = units
    return used


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


def unsendable(error: UnsendableError) -> ToolAnswer:
    """A request for work that could not be sent, so that nothing was done."""
    if error.of_input:
        message = f"the provider cannot be asked for this: {error}"
        return ToolAnswer(Answer.REJECTED, message=message, worked=False)
    return failed("TOOL_FAILED", "the tool cannot ask its provider for this", str(error), worked=False)


def failed(reason: str, message: str, detail: str, *, worked: bool = True) -> ToolAnswer:
    """A call that failed; `detail` is for the log."""
    return ToolAnswer(Answer.FAILED, reason=reason, message=message, detail=detail, worked=worked)
