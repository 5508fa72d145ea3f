"""The bodies of requests and answers about tools and categories, beside the tool itself."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from services.gateway.shapes import CONTROL_FREE, JsonObject, Price

Outcome = Literal["created", "changed", "unchanged"]
Origin = Literal["manifest", "operator"]
Slug = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{0,62}$")]


class ManifestBody(msgspec.Struct):
    """A manifest, as docs/manifests.md says and docs/manifest.schema.json checks; in YAML or JSON."""

    slug: Slug
    name: str
    description: str
    category: Slug
    price: JsonObject
    limits: JsonObject
    run: JsonObject
    input_schema: JsonObject
    output_schema: JsonObject
    examples: list[JsonObject]


class Change(msgspec.Struct):
    """A member of a manifest that is different: JSON of what it was and is; null: it is not there."""

    path: str
    before: str | None
    after: str | None


class AppliedTool(msgspec.Struct):
    """What became of a tool, or would: its versions, whose price is in force, and what is different."""

    slug: str
    outcome: Outcome
    version: int
    price_version: int
    price_origin: Origin
    dry_run: bool
    changes: list[Change]
    changes_left_off: int


class PriceVersion(msgspec.Struct):
    """A price that was in force from then on."""

    price_version: int
    price: Price
    price_origin: Origin
    created_at: datetime


class ToolVersion(msgspec.Struct):
    """A version, and the prices that were in force while it was the newest, newest first."""

    version: int
    digest: str
    created_at: datetime
    prices: list[PriceVersion]


class ToolVersions(msgspec.Struct):
    """A page of a tool's versions, newest first."""

    versions: list[ToolVersion]
    next_page_token: str


class PriceBody(msgspec.Struct, forbid_unknown_fields=True):
    """A price as a manifest has it, in force now or at a time ahead."""

    price: JsonObject
    effective_at: Annotated[datetime, Meta(tz=True)] | None = None


class CategoryBody(msgspec.Struct, forbid_unknown_fields=True):
    """A category as it is to be."""

    name: Annotated[str, Meta(min_length=1, max_length=100, pattern=CONTROL_FREE)]
    icon: Annotated[str, Meta(max_length=63, pattern=CONTROL_FREE)] = ""
    description: Annotated[str, Meta(max_length=500, pattern=CONTROL_FREE)] = ""
    sort_order: Annotated[int, Meta(ge=0, le=1_000_000)] = 1_000


class Category(msgspec.Struct):
    """A group of tools; `tools` are those in it that are switched on."""

    slug: str
    name: str
    icon: str
    description: str
    sort_order: int
    tools: int


class AppliedCategory(Category, kw_only=True):
    """A category, and what became of it."""

    outcome: Outcome


class Categories(msgspec.Struct):
    """All categories, in the order they are shown in."""

    categories: list[Category]


class DeletedCategory(msgspec.Struct):
    """A category that is gone."""

    slug: str
