"""Inputs: what makes one malformed, too large or invalid, and the digest that names it.

An input is a JSON object in which every file is `sha256:<hex>`, with the files beside it. Its digest is the SHA-256 of
its canonical form (RFC 8785), so the same input gives the same digest however it was written.
"""

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import rfc8785

from services.catalog import refusals, schemas
from services.catalog.schemas import Schema, violation
from services.runtime.errors import Refusal, Violation

JSON_BYTES_MAX = 1024 * 1024
FILES_BYTES_MAX = 3 * 1024 * 1024
DEPTH_MAX = 64
# The integers that every reader of JSON holds exactly.
INTEGER_MAX = 2**53 - 1
_INTEGER_CHARS_MAX = 17
MEDIA_TYPE = re.compile(r"(\*|[a-z0-9][a-z0-9.+-]*)/(\*|[a-z0-9][a-z0-9.+-]*)")


@dataclass(frozen=True, slots=True)
class File:
    """A file of an input; `property` is the member it stands for, `digest` the SHA-256 of its content, hex."""

    property: str
    media_type: str
    size_bytes: int
    digest: str
    is_inline: bool
    """Whether its content came with the question."""

    @classmethod
    def inline(cls, property_: str, media_type: str, data: bytes) -> Self:
        """A file whose content is here."""
        return cls(property_, media_type, len(data), hashlib.sha256(data).hexdigest(), True)


@dataclass(frozen=True, slots=True)
class CheckedInput:
    """An input that a tool takes."""

    value: dict[str, Any]
    size_bytes: int
    digest: str


class _NotJson(ValueError):
    """The bytes are not the JSON that is taken here; the text says why."""


def check_size(json_bytes: int, files: Sequence[File], input_bytes_max: int) -> None:
    """Raises INPUT_TOO_LARGE with the limit and the actual size, in bytes."""
    inline_bytes = sum(file.size_bytes for file in files if file.is_inline)
    for what, limit, actual in (
        ("the JSON of the input", JSON_BYTES_MAX, json_bytes),
        ("the input's files", FILES_BYTES_MAX, inline_bytes),
        ("the input with its files", input_bytes_max, json_bytes + sum(file.size_bytes for file in files)),
    ):
        if actual > limit:
            raise refusals.too_large(what, limit, actual, "byte")


def check(input_json: bytes, files: Sequence[File], schema: Schema, properties: dict[str, str]) -> CheckedInput:
    """The input, if the tool takes it; raises INPUT_INVALID with every violation.

    `properties` are the tool's file-valued ones → accepted media type. May take some 0.5 s for the largest inputs.
    """
    try:
        value = _parse(input_json)
    except _NotJson as error:
        raise _invalid([Violation("", str(error), "json")]) from error
    # What JSON cannot say exactly has no canonical form, and may not reach the schema's engine.
    found = list(_inexact(value))[: schemas.VIOLATIONS_MAX]
    if found:
        raise _invalid(found)
    if not isinstance(value, dict):
        raise _invalid([Violation("", "the input must be a JSON object", "type")])
    found = schema.violations(value)
    found += _file_violations(value, files, properties)
    if found:
        raise _invalid(found[: schemas.VIOLATIONS_MAX])
    size = len(input_json) + sum(file.size_bytes for file in files)
    return CheckedInput(value, size, hashlib.sha256(rfc8785.dumps(value)).hexdigest())


def _invalid(found: list[Violation]) -> Refusal:
    first = found[0]
    where = f"{first.field}: " if first.field else ""
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    text = f"the input does not fit the tool's schema: {where}{first.message}{more}"
    return Refusal("INPUT_INVALID", text, {"violations": len(found)}, found)


def _parse(data: bytes) -> object:
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_members,
            parse_constant=_no_constant,
            parse_int=_integer,
        )
    except UnicodeDecodeError as error:
        raise _NotJson("the input is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise _NotJson(f"the input is not JSON: {error.msg}, at character {error.pos}") from error
    except RecursionError as error:
        raise _NotJson(f"the input is nested deeper than {DEPTH_MAX} levels") from error


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise _NotJson(schemas.cut(f"the member {json.dumps(twice)} is given twice"))
    return members


def _no_constant(name: str) -> object:
    raise _NotJson(f"the input is not JSON: {name} is not a number")


def _integer(text: str) -> int:
    # A million digits would be converted in quadratic time, to be refused afterwards.
    return int(text) if len(text) <= _INTEGER_CHARS_MAX else INTEGER_MAX + 1


def _inexact(root: object) -> Iterator[Violation]:
    """What readers of JSON would not all read alike, or what is nested too deep."""
    stack: list[tuple[tuple[str | int, ...], object]] = [((), root)]
    while stack:
        path, value = stack.pop()
        problem = ""
        match value:
            case dict() | list() if len(path) >= DEPTH_MAX:
                problem = f"is nested deeper than {DEPTH_MAX} levels"
            case dict():
                stack.extend(((*path, name), member) for name, member in value.items())
                if not all(map(_is_unicode, value)):
                    problem = "a member's name is not Unicode: a surrogate stands alone"
            case list():
                stack.extend(((*path, index), member) for index, member in enumerate(value))
            case str() if not _is_unicode(value):
                problem = "is not Unicode: a surrogate stands alone"
            case int() if abs(value) > INTEGER_MAX:
                problem = f"is beyond ±{INTEGER_MAX}, which JSON numbers hold exactly"
            case float() if not math.isfinite(value):
                problem = "is beyond what JSON numbers hold"
        if problem:
            at = schemas.pointer(list(path)).encode(errors="replace").decode()
            yield violation(at, problem, "json")


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _file_violations(value: dict[str, Any], files: Sequence[File], properties: dict[str, str]) -> Iterator[Violation]:
    given: dict[str, File] = {}
    for file in files:
        at = schemas.pointer([file.property])
        if file.property not in properties:
            yield violation(at, "a file is given, but the tool takes none here", schemas.FILE_FORMAT)
        elif file.property not in value:
            yield violation(at, "a file is given, but the input does not name it", schemas.FILE_FORMAT)
        elif file.property in given:
            yield violation(at, "more than one file is given", schemas.FILE_FORMAT)
        given[file.property] = file
    for name, accepted in properties.items():
        if name not in value:
            continue
        at = schemas.pointer([name])
        if name not in given:
            text = "the file itself is missing: a data: URL has it, and file: with the id of one that is stored"
            yield violation(at, text, schemas.FILE_FORMAT)
        elif value[name] != f"sha256:{given[name].digest}":
            yield violation(at, "the value is not the SHA-256 of the file", schemas.FILE_FORMAT)
        elif not media_type_fits(given[name].media_type, accepted):
            text = f"the file is {given[name].media_type or 'of no media type'}, where {accepted} is taken"
            yield violation(at, text, "contentMediaType")


def media_type_fits(media_type: str, accepted: str) -> bool:
    """Whether a file's media type is what a schema accepts, `image/*` being any image; parameters do not count."""
    kind, _, subtype = media_type.partition(";")[0].strip().lower().partition("/")
    wanted_kind, _, wanted_subtype = accepted.partition("/")
    return wanted_kind in ("*", kind) and wanted_subtype in ("*", subtype) and bool(kind and subtype)
