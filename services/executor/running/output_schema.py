"""What a tool's output must look like: its JSON Schema, by which a provider's answer is measured."""

import json
from collections.abc import Callable
from typing import Any

import jsonschema_rs

TEXT_CHARACTERS_MAX = 200


def misfit_of(output_schema_json: bytes) -> Callable[[Any], str]:
    """Tells where an output of plain JSON is not as the schema says; empty where it is.

    A schema that cannot be read, of a later catalog, says nothing.
    """
    try:
        validator = jsonschema_rs.Draft202012Validator(
            json.loads(output_schema_json or b"true"),
            # A file in an output is a data: URL, whatever the format of an input's is called.
            validate_formats=False,
            pattern_options=jsonschema_rs.RegexOptions(),
            offline=True,
            mask="the value",
        )
    except (ValueError, jsonschema_rs.ReferencingError):
        return lambda _output: ""

    def misfit(output: Any) -> str:
        error = next(validator.iter_errors(output), None)
        if error is None:
            return ""
        where = "".join(f"/{part}" for part in error.instance_path)
        return f"{where or '/'} {error.message}"[:TEXT_CHARACTERS_MAX]

    return misfit
