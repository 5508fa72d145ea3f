"""What in a manifest does not have the shape of its part, told in words of ours."""

import re
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_SAID = (
    {"missing": "is needed", "union_tag_not_found": "is needed", "extra_forbidden": "is not known"}
    | {"string_type": "must be text", "int_type": "must be a whole number", "bool_type": "must be true or false"}
    | {"list_type": "must be a list"}
    | dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "must be an object")
)
_QUOTED = re.compile(r"'([^']+)'")


def problems(data: Any, error: ValidationError) -> Iterator[tuple[str, str]]:
    """Every mistake, as path and text; `data` is what was written."""
    for item in error.errors(include_url=False):
        if item["type"] != "literal_error" or _choices(item):
            yield _path(data, item), _said(item)
        # Else it is the other half of what may also be left empty, of which there is a mistake already.


def _said(error: ErrorDetails) -> str:
    match error["type"]:
        case "string_type" if isinstance(error["input"], int | float):
            return "must be text: put it in quotes"
        case "literal_error" | "union_tag_invalid":
            return f"must be one of: {', '.join(_choices(error))}"
        case "string_pattern_mismatch":
            return f"must match {error['ctx']['pattern']}"
        case kind if kind in _SAID:
            return _SAID[kind]
        case _:
            said = error["msg"].removeprefix("Value error, ")
            return said[:1].lower() + said[1:]


def _choices(error: ErrorDetails) -> list[str]:
    """The words one of which is wanted; none where nothing is."""
    context = error["ctx"]
    return _QUOTED.findall(context.get("expected_tags") or context["expected"])


def _path(data: Any, error: ErrorDetails) -> str:
    """Where a mistake is in what was written: without the names of the kinds a part can be of."""
    path: list[str] = []
    *within, last = error["loc"] or ("",)
    for step in within:
        if _holds(data, step):
            data = data[step]
            path.append(str(step))
    if last and (_holds(data, last) or error["type"] != "union_tag_invalid"):
        path.append(str(last))
    if error["type"].startswith("union_tag"):
        path.append(error["ctx"]["discriminator"].strip("'").removesuffix("_"))
    return ".".join(path)


def _holds(data: Any, step: int | str) -> bool:
    if isinstance(data, list):
        return isinstance(step, int) and step < len(data)
    return isinstance(data, dict) and step in data
