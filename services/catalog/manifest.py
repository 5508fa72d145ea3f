"""A tool's manifest: what one YAML file may say. What its parts say of each other is checked in manifest_rules."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.catalog import pricing
from services.catalog.pricing import Charging, Price

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
INPUT_BYTES_MAX = 4 * 1024 * 1024
UNITS_MAX = 1_000_000_000


def _slug(value: str) -> str:
    if not SLUG.fullmatch(value):
        raise ValueError("must be lower-case letters, digits and hyphens, at most 63")
    return value


def _credits(value: str) -> str:
    pricing.parse_credits(value)
    return value


Slug = Annotated[str, AfterValidator(_slug)]
Credits = Annotated[str, AfterValidator(_credits)]
ChargeWord = Literal["nothing", "base", "measured"]


class _Part(BaseModel):
    """Unknown members are mistakes, and nothing is converted: a price that YAML reads as a number is a float."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ChargingPart(_Part):
    """What each kind of ending costs; the defaults charge for success alone."""

    succeeded: ChargeWord = "measured"
    failed: ChargeWord = "nothing"
    refused: ChargeWord = "nothing"
    timed_out: ChargeWord = "nothing"
    canceled: ChargeWord = "nothing"
    unknown: ChargeWord = "nothing"


class PricePart(_Part):
    """Credits as quoted decimal strings with at most six places."""

    base: Credits = "0"
    per_unit: Credits = "0"
    unit: Literal["", "character", "token", "image", "second", "page", "request", "megabyte"] = ""
    minimum: Credits = "0"
    charging: ChargingPart = ChargingPart()

    def price(self) -> Price:
        """The price in microcredits."""
        return Price(
            base_micros=pricing.parse_credits(self.base),
            per_unit_micros=pricing.parse_credits(self.per_unit),
            unit=self.unit,
            minimum_micros=pricing.parse_credits(self.minimum),
            charging=Charging(**self.charging.model_dump()),
        )


class LimitsPart(_Part):
    """What one call takes at most."""

    input_bytes: int = Field(ge=1, le=INPUT_BYTES_MAX, description="bytes of the input with its files")
    units: int = Field(default=0, ge=0, le=UNITS_MAX, description="units of one call; 0: no bound of its own")
    timeout_ms: int = Field(ge=1, le=3_600_000, description="milliseconds a call may take")
    rate_per_hour: int = Field(default=0, ge=0, le=1_000_000, description="executions an hour and account; 0: any")


class InputCharacters(_Part):
    """Units are the Unicode code points of one text of the input."""

    from_: Literal["input_characters"] = Field(alias="from")
    pointer: str = Field(pattern=r"^/[^/~]+$", description="JSON pointer of a member of the input")


class InputMegabytes(_Part):
    """Units are the started megabytes (1,000,000 bytes) of the input with its files."""

    from_: Literal["input_megabytes"] = Field(alias="from")


class FromOutput(_Part):
    """Units are a number in the output, so a quote is an upper bound: `limits.units`."""

    from_: Literal["output"] = Field(alias="from")
    pointer: str = Field(pattern=r"^(/[^/]+)+$", description="JSON pointer into the output")


Measure = Annotated[InputCharacters | InputMegabytes | FromOutput, Field(discriminator="from_")]


class PythonRun(_Part):
    """Runs in a handler of the executor."""

    kind: Literal["python"]
    handler: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$", description="module in services/executor/handlers/")
    retry: Literal["safe", "unsafe"] = Field(description="whether a call that may have happened may happen again")
    packages: list[str] = Field(default=[], description="packages the handler imports")


class Content(_Part):
    """What a tool version is made of: all of a manifest but the price, which has versions of its own."""

    slug: Slug
    name: str = Field(min_length=1, max_length=100)
    description: str = Field(min_length=1, max_length=2_000)
    category: Slug
    icon: str = Field(default="", max_length=63)
    tags: list[Slug] = Field(default=[], max_length=20)
    provider: str = Field(default="", max_length=63, description="the provider behind it; empty for local tools")
    limits: LimitsPart
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    examples: list[dict[str, Any]] = Field(min_length=1, max_length=10, description="inputs; files as data: URLs")
    measure: Measure | None = None
    run: PythonRun

    def run_spec(self) -> dict[str, Any]:
        """How the tool runs and its units are measured, as executors read it."""
        spec = self.run.model_dump(mode="json")
        if self.measure is not None:
            spec["measure"] = self.measure.model_dump(mode="json", by_alias=True)
        return spec


class Manifest(Content):
    """One tool, as its author writes it."""

    price: PricePart

    def written(self) -> dict[str, Any]:
        """All that the author wrote, as JSON.

        No defaults: one that a later program adds must not look like a change of every tool.
        """
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class ManifestError(Exception):
    """Manifests that cannot be used; `problems` are pairs of where and what."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        self.problems = problems
        super().__init__("manifests are wrong:\n" + "\n".join(f"  {where}: {what}" for where, what in problems))
