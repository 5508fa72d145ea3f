"""JSON Schema of inputs and outputs: draft 2020-12, formats checked, nothing fetched from anywhere.

Patterns run on an engine whose time is linear in the input, so no input can make one hang; look-around and
back-references are therefore refused when the schema is read, and so are references that lead to too much
(services/catalog/references.py). Messages say `the value`, never the value itself: inputs may be huge, and private.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import jsonschema_rs

from services.catalog import references
from services.runtime.errors import Violation

FILE_FORMAT = "scrip-file"
VIOLATIONS_MAX = 100
TEXT_CHARS_MAX = 300

_FILE_VALUE = re.compile(r"sha256:[0-9a-f]{64}")
_FORMATS = {FILE_FORMAT: lambda value: _FILE_VALUE.fullmatch(value) is not None}


class SchemaError(ValueError):
    """A schema that cannot be used; the text says why, `at` is the JSON pointer of where."""

    def __init__(self, what: str, at: str = "") -> None:
        super().__init__(what)
        self.at = at

    def __str__(self) -> str:
        return f"{self.at}: {self.what}" if self.at else self.what

    @property
    def what(self) -> str:
        """Why, without where."""
        return str(self.args[0])


class Schema:
    """A compiled JSON Schema."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        try:
            self._validator = _compile(definition, mask="the value")
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            raise _wrong(definition, error) from error
        try:
            references.check(definition)
        except ValueError as error:
            raise SchemaError(str(error)) from error

    def violations(self, value: object) -> list[Violation]:
        """What is wrong with a value of plain JSON types, at most 100."""
        return [
            violation(pointer(error.instance_path), _said(error), error.kind.name)
            for error in islice(self._errors(value), VIOLATIONS_MAX)
        ]

    def _errors(self, value: object) -> Iterator[jsonschema_rs.ValidationError]:
        return self._validator.iter_errors(value)


def _said(error: jsonschema_rs.ValidationError) -> str:
    """What is wrong, in words that help who wrote the value."""
    match error.kind:
        case jsonschema_rs.ValidationErrorKind.Format(format=given) if given == FILE_FORMAT:
            return "the value is no file: a data: URL is one, and file: with the id of one that is stored"
        case jsonschema_rs.ValidationErrorKind.AnyOf(context=branches):
            lacks = [_lacking(branch) for branch in branches]
            if all(lacks):
                return f"the value needs {' or '.join(lacks)}"
    return error.message


def _lacking(errors: Sequence[jsonschema_rs.ValidationError]) -> str:
    """The property whose absence is all that is wrong; else empty."""
    match [error.kind for error in errors]:
        case [jsonschema_rs.ValidationErrorKind.Required() as kind]:
            return str(kind.property)
    return ""


def _compile(definition: Mapping[str, Any], mask: str | None) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        dict(definition),
        validate_formats=True,
        ignore_unknown_formats=False,
        formats=_FORMATS,
        pattern_options=jsonschema_rs.RegexOptions(),
        offline=True,
        mask=mask,
    )


def _wrong(definition: Mapping[str, Any], masked: Exception) -> SchemaError:
    """What is wrong with a schema, shown: it is its author who reads this."""
    try:
        _compile(definition, mask=None)
    except jsonschema_rs.ValidationError as error:
        return SchemaError(cut(error.message), pointer(error.instance_path))
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        return SchemaError(cut(str(error)))
    return SchemaError(str(masked))


def pointer(path: list[str | int]) -> str:
    """The JSON pointer (RFC 6901) of a path."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def violation(at: str, message: str, keyword: str) -> Violation:
    """A violation with its texts cut to a length that an answer can carry a hundred times."""
    return Violation(cut(at), cut(message), keyword)


def cut(text: str) -> str:
    """The text, or its beginning and an ellipsis."""
    return text if len(text) <= TEXT_CHARS_MAX else text[: TEXT_CHARS_MAX - 1] + "…"


def file_properties(definition: Mapping[str, Any]) -> dict[str, str]:
    """The file-valued properties of an input's schema → the media type each takes, such as `image/*`."""
    properties = definition.get("properties")
    if not isinstance(properties, Mapping):
        return {}
    return {
        name: str(sub.get("contentMediaType", "*/*")).lower()
        for name, sub in properties.items()
        if isinstance(sub, Mapping) and sub.get("format") == FILE_FORMAT
    }


def file_formats(definition: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where in a schema `format: scrip-file` stands."""
    if isinstance(definition, Mapping):
        if definition.get("format") == FILE_FORMAT:
            yield path
        for name, sub in definition.items():
            yield from file_formats(sub, (*path, str(name)))
    elif isinstance(definition, list):
        for index, sub in enumerate(definition):
            yield from file_formats(sub, (*path, index))
