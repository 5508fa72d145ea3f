"""The JSON Schema of manifests, by which editors complete and check them."""

import json
from typing import Any

from services.catalog.manifests.manifest import Manifest


def definition() -> dict[str, Any]:
    """The schema, draft 2020-12. What parts say of each other it cannot tell; `scrip tools lint` does."""
    schema: dict[str, Any] = _untitled(Manifest.model_json_schema(by_alias=True))
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Manifest of a Scrip tool"}
    return head | schema


def text() -> str:
    """The schema as docs/manifest.schema.json holds it."""
    return json.dumps(definition(), indent=2, ensure_ascii=False) + "\n"


def _untitled(part: Any) -> Any:
    """Without the titles that pydantic makes of names; a property may be called title itself."""
    match part:
        case dict():
            members = part.items()
            return {name: _untitled(value) for name, value in members if name != "title" or isinstance(value, dict)}
        case list():
            return [_untitled(item) for item in part]
        case _:
            return part
