"""Templates: JSON values whose strings may hold `${expression}`.

A string that is one expression becomes its value, whatever its type; where that is null, the member or item it stands
for is left out. Within a longer string, values are put in as text, null as nothing. `$${` stands for `${`.
"""

import functools
import json
from collections.abc import Callable, Iterator
from typing import Any

from services.runtime.expressions import ExpressionError, compiled, evaluate

OPEN = "${"
KEPT_MAX = 4_096


class Absent:
    """What a template becomes that is nothing but an expression that finds nothing."""


ABSENT = Absent()
# A part of a string: text, or an expression.
_Part = tuple[bool, str]


def render(template: Any, context: Any) -> Any:
    """The template with its expressions evaluated; ABSENT where nothing is left. Raises ExpressionError."""
    match template:
        case str():
            return _string(template, context)
        case dict():
            members = ((name, render(value, context)) for name, value in template.items())
            return {name: value for name, value in members if value is not ABSENT}
        case list():
            return [value for value in (render(item, context) for item in template) if value is not ABSENT]
        case _:
            return template


def text(template: str, context: Any, escape: Callable[[str], str] = str) -> str:
    """The template as text; `escape` is applied to what expressions put in. Raises ExpressionError."""
    return "".join(
        escape(_text(evaluate(part, context))) if is_expression else part for is_expression, part in parts(template)
    )


def expressions(template: Any) -> Iterator[str]:
    """Every expression of a template; raises ExpressionError for a `${` without its end."""
    match template:
        case str():
            yield from (part for is_expression, part in parts(template) if is_expression)
        case dict():
            for value in template.values():
                yield from expressions(value)
        case list():
            for item in template:
                yield from expressions(item)


def check(template: Any) -> None:
    """Raises ExpressionError where an expression cannot be read."""
    for expression in expressions(template):
        compiled(expression)


@functools.lru_cache(KEPT_MAX)
def parts(template: str) -> tuple[_Part, ...]:
    """Text and expressions, in order; raises ExpressionError for a `${` without its end."""
    found: list[_Part] = []
    plain, at = "", 0
    while at < len(template):
        if template.startswith("$" + OPEN, at):
            plain += OPEN
            at += 3
        elif template.startswith(OPEN, at):
            end = _end(template, at + 2)
            if plain:
                found.append((False, plain))
                plain = ""
            found.append((True, template[at + 2 : end].strip()))
            at = end + 1
        else:
            plain += template[at]
            at += 1
    if plain:
        found.append((False, plain))
    return tuple(found)


def _end(template: str, start: int) -> int:
    """Where the brace that closes an expression stands; braces within and quoted ones are passed over."""
    depth, quote, at = 0, "", start
    while at < len(template):
        character = template[at]
        if quote:
            if character == "\\":
                at += 1
            elif character == quote:
                quote = ""
        elif character in "'\"`":
            quote = character
        elif character == "{":
            depth += 1
        elif character == "}":
            if depth == 0:
                return at
            depth -= 1
        at += 1
    raise ExpressionError(f"`{template[start - 2 : start + 40]}` lacks its closing brace")


def _string(template: str, context: Any) -> Any:
    found = parts(template)
    if len(found) == 1 and found[0][0]:
        value = evaluate(found[0][1], context)
        return ABSENT if value is None else value
    return text(template, context)


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case _:
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
