"""Tools as the catalog holds them: an immutable version, ready to check inputs, and what is in force now."""

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from services.catalog import schemas
from services.catalog.manifest import Content, FromOutput, InputCharacters, InputMegabytes
from services.catalog.pricing import Price, started_megabytes
from services.catalog.schemas import Schema


class ToolVersion:
    """One version of one tool; the same for ever, so it is made once and kept."""

    def __init__(self, version: int, content: Content, digest: str, created_at: datetime) -> None:
        self.slug = content.slug
        self.version = version
        self.content = content
        self.digest = digest
        self.created_at = created_at
        self.file_properties = schemas.file_properties(content.input_schema)

    @cached_property
    def schema(self) -> Schema:
        """The schema of its input, compiled."""
        return Schema(self.content.input_schema)

    @cached_property
    def run_json(self) -> bytes:
        """How it runs, as executors read it."""
        return dump(self.content.run_spec())

    def measure(self, value: dict[str, Any], size_bytes: int) -> tuple[int, bool]:
        """Units of a call with this (valid) input, and whether they are exact or an upper bound."""
        match self.content.measure:
            case None:
                return 0, True
            case InputCharacters(pointer=pointer):
                return len(value.get(pointer.removeprefix("/"), "")), True
            case InputMegabytes():
                return started_megabytes(size_bytes), True
            case FromOutput():
                return self.content.limits.units, False


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as it is now."""

    current: ToolVersion
    price_version: int
    price: Price
    enabled: bool


def dump(value: object) -> bytes:
    """Compact JSON in UTF-8, members in the author's order."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
