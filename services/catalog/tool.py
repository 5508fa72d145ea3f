"""Tools as the catalog holds them: an immutable version, ready to check inputs, and what is in force now."""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from services.catalog import measuring, schemas
from services.catalog.manifests.manifest import Content
from services.catalog.pricing import Price
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

    @cached_property
    def searched(self) -> str:
        """What a text search looks at."""
        content = self.content
        return "\n".join((content.slug, content.name, content.description, *content.tags)).casefold()

    def measure(self, value: dict[str, Any], size_bytes: int) -> tuple[dict[str, int], bool]:
        """Units of a call with this (valid) input, by name, and whether they are exact or an upper bound."""
        return measuring.units_of(self.content.measure, value, size_bytes, self.content.limits.units)


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A price that takes effect by itself."""

    price: Price
    at: datetime


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as it is now; `origin` tells whose price is in force.

    `before` is the version that this process saw as the newest before: executors may not know of a new one yet.
    """

    current: ToolVersion
    price_version: int
    price: Price
    enabled: bool
    origin: str
    scheduled: Scheduled | None
    before: ToolVersion | None = None

    def followed(self, old: "Tool | None") -> "Tool":
        """This tool, seen after `old`."""
        if old is None:
            return self
        return replace(self, before=old.before if old.current.version == self.current.version else old.current)


def dump(value: object) -> bytes:
    """Compact JSON in UTF-8, members in the author's order."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
