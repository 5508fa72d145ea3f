"""Expressions in manifests: JMESPath. They pick from what they are shown, and can do nothing else.

Beside JMESPath's own functions: `lower(text)`, `upper(text)`, `trim(text)`, `parse_json(text)`, `seconds(text)` ("15s",
"1m30.5s" or "250ms" as a number of seconds), `divide(number, number)`, `default(value, other)` (null alone is replaced,
where `||` replaces false and empty values too), `sum_of(array, member)` (null where an item lacks it: JMESPath's own
projections pass over what is missing, and a sum of nothing is 0).
"""

import functools
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import jmespath
from jmespath import exceptions, functions

from services.runtime import strict_json

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
KEPT_MAX = 4_096
DEPTH_MAX = 200


class ExpressionError(ValueError):
    """An expression that cannot be read, or that does not fit what it is applied to; the text says why."""


class _Functions(functions.Functions):
    """What manifests need beyond the standard."""

    @functions.signature({"types": ["string"]})
    def _func_lower(self, text: str) -> str:
        return text.lower()

    @functions.signature({"types": ["string"]})
    def _func_upper(self, text: str) -> str:
        return text.upper()

    @functions.signature({"types": ["string"]})
    def _func_trim(self, text: str) -> str:
        return text.strip()

    @functions.signature({"types": ["string"]})
    def _func_parse_json(self, text: str) -> Any:
        try:
            return strict_json.loads(text.encode(errors="surrogatepass"))
        except ValueError:
            return None

    @functions.signature({"types": ["string"]})
    def _func_seconds(self, text: str) -> float | None:
        found = _DURATION.fullmatch(text.strip())
        if not found or not any(found.groups()):
            return None
        hours, minutes, seconds, millis = (float(part or 0) for part in found.groups())
        return hours * 3600 + minutes * 60 + seconds + millis / 1000

    @functions.signature({"types": ["array"]}, {"types": ["string"]})
    def _func_sum_of(self, items: list[Any], member: str) -> float | None:
        found = [item.get(member) if isinstance(item, dict) else None for item in items]
        numbers = [value for value in found if isinstance(value, int | float) and not isinstance(value, bool)]
        if len(numbers) < len(found):
            return None
        # Of fractions as they are written, not as floats hold them: 0.1 and 0.2 are 0.3.
        return float(sum(map(_exact, numbers))) if any(isinstance(one, float) for one in numbers) else sum(numbers)

    @functions.signature({"types": ["number"]}, {"types": ["number"]})
    def _func_divide(self, number: float, by: float) -> float | None:
        return float(_exact(number) / _exact(by)) if by else None

    @functions.signature({"types": []}, {"types": []})
    def _func_default(self, value: Any, other: Any) -> Any:
        return other if value is None else value


_OPTIONS = jmespath.Options(custom_functions=_Functions())


@functools.lru_cache(KEPT_MAX)
def compiled(text: str) -> Any:
    """An expression, read once; raises ExpressionError."""
    try:
        found = jmespath.compile(text)
    except exceptions.JMESPathError as error:
        raise ExpressionError(f"`{text}` is no expression: {_line(error)}") from error
    except RecursionError as error:
        raise ExpressionError("is an expression nested too deeply") from error
    except ValueError as error:
        raise ExpressionError("is an expression with a number of too many digits") from error
    if _depth(found.parsed) > DEPTH_MAX:
        raise ExpressionError("is an expression nested too deeply")
    return found


def _depth(tree: Any) -> int:
    depth, level = 0, [tree]
    while level:
        depth += 1
        level = [child for node in level if isinstance(node, dict) for child in node.get("children", ())]
    return depth


def miscalls(tree: Any) -> Iterator[str]:
    """What in a parsed expression calls no function, or one with fewer or more arguments than it takes."""
    if not isinstance(tree, dict):
        return
    children = tree.get("children", ())
    if tree.get("type") == "function_expression":
        name, given = tree["value"], len(children)
        known = _Functions.FUNCTION_TABLE.get(name)
        if known is None:
            yield f"calls {name}, which is no function"
        elif not _takes(known["signature"], given):
            least = "at least " if known["signature"][-1].get("variadic") else ""
            yield f"gives {name} {given} arguments; it takes {least}{len(known['signature'])}"
    for child in children:
        yield from miscalls(child)


def _takes(signature: Sequence[dict[str, Any]], given: int) -> bool:
    return given >= len(signature) if signature[-1].get("variadic") else given == len(signature)


def evaluate(text: str, context: Any) -> Any:
    """What an expression finds among plain JSON values, None where it finds nothing; raises ExpressionError."""
    try:
        return compiled(text).search(context, options=_OPTIONS)
    except (exceptions.JMESPathError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise ExpressionError(f"`{text}` does not fit: {_line(error)}") from error


def _exact(number: float) -> Decimal:
    return Decimal(repr(number))


def _line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
