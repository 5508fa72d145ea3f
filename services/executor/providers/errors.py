"""What a provider's answer means when it is an error. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.executor.providers.plan import ErrorRule
from services.runtime.expressions import evaluate

# The first that finds a text is what the provider said.
_MESSAGES = (
    "body.error.message", "body.error.errors[0].message", "body.errors[0].message", "body.errors[0].title",
    "body.message", "body.Message", "body.detail.message", "body.detail[0].msg", "body.err_msg", "body.description",
    "body.error", "body.detail", "body.title", "body.reason",
)  # fmt: skip
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
# Of those, the ones that say that nothing was done, as one about our account there does: a tool that may not be called
# twice may be after these.
_NOTHING_DONE = frozenset({425, 429, 503, 529})
_INPUT = frozenset({400, 404, 405, 406, 409, 410, 413, 414, 415, 416, 417, 422})
_QUOTA = frozenset({402, 456})
_KEY = frozenset({401, 403, 407, 498})
MESSAGE_CHARACTERS_MAX = 300


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer that is an error: what it means (see plan.CLASSES), and what the provider said."""

    means: str
    message: str
    nothing_done: bool = False
    """Whether the provider says that it did nothing: that costs nothing, and a second call cannot be a second work."""


def failure_of(status: int, context: Mapping[str, Any], rules: Sequence[ErrorRule]) -> Failure | None:
    """What an answer says went wrong; None for one that is no error, which a redirect is: nothing is where it was asked
    for. Where a rule of the manifest says that it is to be tried again, nothing was done, whatever its status. Raises
    ExpressionError."""
    for rule in rules:
        if evaluate(rule.when, context):
            said = evaluate(rule.message, context) if rule.message else None
            nothing_done = rule.means == "retry" or _says_nothing_done(status, rule.means)
            return Failure(rule.means, _text(said) or said_by(context), nothing_done)
    if 200 <= status < 300:
        return None
    means = _means(status)
    return Failure(means, said_by(context), _says_nothing_done(status, means))


def _says_nothing_done(status: int, means: str) -> bool:
    return status in _NOTHING_DONE or means in ("quota", "key")


def is_transient(status: int) -> bool:
    """Whether an answer with this status may be another one later."""
    return _means(status) == "retry"


def _means(status: int) -> str:
    for statuses, means in ((_RETRIED, "retry"), (_QUOTA, "quota"), (_KEY, "key"), (_INPUT, "input")):
        if status in statuses:
            return means
    if status == 451:
        return "refused"
    return "retry" if status >= 500 else "failed"


def said_by(context: Mapping[str, Any]) -> str:
    """What the provider said, in one of the usual places; empty where it said nothing there."""
    for expression in _MESSAGES:
        if text := _text(evaluate(expression, context)):
            return text
    return ""


def _text(value: Any) -> str:
    return " ".join(value.split())[:MESSAGE_CHARACTERS_MAX] if isinstance(value, str) else ""
