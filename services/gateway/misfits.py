"""What does not fit the shape of a body: its field, and what would fit there, in words."""

import re
from typing import Any

import msgspec

from services.gateway.shapes import CONTROL_FREE
from services.runtime.errors import Refusal, invalid

NAMES_TOLD_MAX = 20
_AT = re.compile(r" - at `(?P<key>key` in `)?\$\.?(?P<path>[^`]*)`$")
_MEMBER = re.compile(r"field `(?P<name>[^`]*)`")
_TYPES = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "an array",
    "datetime": "an RFC 3339 time such as 2031-01-31T00:00:00Z",
    "null": "null",
}
# The sentences of msgspec, and ours.
_WORDS = (
    (re.compile(r"Object missing required field .*"), "is needed"),
    (re.compile(r"Object contains unknown field .*"), "is not known here"),
    (re.compile(r"Invalid RFC3339 encoded datetime"), f"must be {_TYPES['datetime']}"),
    (re.compile(r"Expected `datetime` with a timezone component"), f"must be {_TYPES['datetime']}, with its offset"),
    (re.compile(r"Expected `str` of length >= 1"), "must not be empty"),
    (re.compile(r"Expected `str` of length (<=|>=) (\d+)"), r"must have at \1 \2 characters"),
    (re.compile(r"Expected `object` of length (<=|>=) (\d+)"), r"must have at \1 \2 members"),
    (re.compile(r"Expected `array` of length (<=|>=) (\d+)"), r"must have at \1 \2 items"),
    (re.compile(r"Expected `(?:int|float)` (<=|>=) (\S+)"), r"must be at \1 \2"),
    (re.compile(re.escape(f"Expected `str` matching regex {CONTROL_FREE!r}")), "must have no control characters"),
    (re.compile(r"Expected `str` matching regex '(.*)'"), r"must match \1"),
)
_EXPECTED = re.compile(r"Expected `(?P<wanted>[^`]*)`, got `(?P<found>[^`]*)`")
_BOUNDS = (("at <=", "at most"), ("at >=", "at least"))


def unfit(error: msgspec.ValidationError, shape: Any = None) -> Refusal:
    """REQUEST_INVALID naming the field that is not as its shape says; of a `shape`, a struct, it tells what fits."""
    message = str(error)
    at = _AT.search(message)
    member = _MEMBER.search(message)
    path = [at.group("path")] if at and at.group("path") else []
    field = ".".join([*path, member.group("name")] if member else path)
    text = _choice(field, member is not None and not path, shape) or _said(_AT.sub("", message))
    if at and at.group("key"):
        text = f"the name of a member {text}"
    return invalid(field, text) if field else Refusal("REQUEST_INVALID", f"the body {text}")


def _said(message: str) -> str:
    if found := _EXPECTED.fullmatch(message):
        wanted = [_TYPES.get(one, one) for one in found["wanted"].split(" | ") if one != "null"]
        return f"must be {' or '.join(wanted)}, not {_TYPES.get(found['found'], found['found'])}"
    for sentence, words in _WORDS:
        if sentence.fullmatch(message):
            text = sentence.sub(words, message)
            for theirs, ours in _BOUNDS:
                text = text.replace(theirs, ours)
            return text
    text = message.replace("`", "'")
    return text[:1].lower() + text[1:]


def _choice(field: str, is_member: bool, shape: Any) -> str:
    """What may stand there instead: the names of the shape's fields, or the values of one."""
    if shape is None:
        return ""
    fields = {one.encode_name: one for one in msgspec.inspect.type_info(shape).fields}  # type: ignore[attr-defined]
    if is_member and field not in fields:
        return f"is not known here; there are {', '.join(list(fields)[:NAMES_TOLD_MAX])}"
    values = _values(fields[field].type) if field in fields else ()
    return f"must be one of {', '.join(map(str, values))}" if values else ""


def _values(kind: msgspec.inspect.Type) -> tuple[Any, ...]:
    match kind:
        case msgspec.inspect.LiteralType(values=values):
            return tuple(values)
        case msgspec.inspect.Metadata(type=inner):
            return _values(inner)
        case msgspec.inspect.UnionType(types=kinds):
            return tuple(value for one in kinds for value in _values(one))
        case _:
            return ()
