"""A tool's manifest. What its parts say of each other is checked in rules."""

from typing import Annotated, Any, NamedTuple

from pydantic import Field, ValidationInfo, field_validator

from services.catalog.manifests.http_run import HttpRun
from services.catalog.manifests.limits import LimitsPart
from services.catalog.manifests.measure import Measure
from services.catalog.manifests.part import Part, Slug
from services.catalog.manifests.price import PricePart
from services.catalog.manifests.python_run import PythonRun


class Deprecated(Part):
    """Why a tool should no longer be used."""

    successor: Slug | None = Field(default=None, description="the tool to use instead")
    note: str = Field(default="", max_length=500, description="what its callers should know")


class CachePart(Part):
    """The tool gives the same output for the same input: an account that asks again gets what it got."""

    seconds: int = Field(ge=1, le=30 * 86_400, description="how long an output may be given again")


class Content(Part):
    """What a tool version is made of: all of a manifest but the price, which has versions of its own."""

    slug: Slug = Field(description="its id, for ever, and the name of its file")
    name: str = Field(min_length=1, max_length=100, description="its name for people")
    description: str = Field(min_length=1, max_length=2_000, description="what it does, in a sentence or two")
    documentation: str = Field(default="", max_length=20_000, description="Markdown: how to use it")
    deprecated: Deprecated | None = Field(default=None, description="it should no longer be used")
    category: Slug = Field(description="slug of its category")
    icon: str = Field(default="", max_length=63, description="a Lucide icon")
    tags: list[Slug] = Field(default=[], max_length=20, description="words to find it by")
    provider: str = Field(default="", max_length=63, description="the provider behind it; empty for local tools")
    limits: LimitsPart
    input_schema: dict[str, Any] = Field(description="JSON Schema, draft 2020-12, of an object")
    output_schema: dict[str, Any] = Field(description="JSON Schema, draft 2020-12")
    examples: list[dict[str, Any]] = Field(min_length=1, max_length=10, description="inputs; files as data: URLs")
    measure: Measure | None = None
    cache: CachePart | None = Field(default=None, description="for tools that are deterministic")
    run: Annotated[PythonRun | HttpRun, Field(discriminator="kind")]

    @field_validator("deprecated")
    @classmethod
    def _another_successor(cls, deprecated: Deprecated | None, info: ValidationInfo) -> Deprecated | None:
        if deprecated and deprecated.successor is not None and deprecated.successor == info.data.get("slug"):
            raise ValueError("successor must be another tool")
        return deprecated

    @property
    def secret(self) -> str:
        """Name of the secret that its executors need; empty: none."""
        auth = self.run.auth if isinstance(self.run, HttpRun) else None
        return auth.secret if auth else ""

    def run_spec(self) -> dict[str, Any]:
        """How the tool runs and its units are measured, as executors read it."""
        spec = self.run.model_dump(mode="json", by_alias=True, exclude_unset=True)
        if self.measure is not None:
            spec["measure"] = self.measure.model_dump(mode="json", by_alias=True)
        if self.cache is not None:
            spec["cache"] = self.cache.model_dump(mode="json")
        return spec


class Manifest(Content):
    """One tool, as its author writes it."""

    price: PricePart

    def written(self) -> dict[str, Any]:
        """All that the author wrote, as JSON.

        No defaults: one that a later program adds must not look like a change of every tool.
        """
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class Problem(NamedTuple):
    """One mistake. `line` counts from 1; 0 and an empty `file` or `path`: not known, or all of it."""

    path: str
    what: str
    line: int = 0
    file: str = ""

    def __str__(self) -> str:
        place = ":".join(part for part in (self.file, str(self.line or "")) if part)
        return ": ".join(part for part in (place, self.path, self.what) if part)


class ManifestError(Exception):
    """Manifests that cannot be used, and every mistake in them."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("manifests are wrong:\n" + "\n".join(f"  {problem}" for problem in problems))
