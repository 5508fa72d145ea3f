"""What the parts of a manifest are made of."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from services.catalog import pricing
from services.runtime import expressions

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Part(BaseModel):
    """Unknown members are mistakes, and nothing is converted: a price that YAML reads as a number is a float."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _slug(value: str) -> str:
    if not SLUG.fullmatch(value):
        raise ValueError("must be lower-case letters, digits and hyphens, at most 63")
    return value


def _credits(value: str) -> str:
    pricing.parse_credits(value)
    return value


def _expression(value: str) -> str:
    expressions.compiled(value)
    return value


# What validators check is said again for editors, which know only JSON Schema.
Slug = Annotated[str, AfterValidator(_slug), WithJsonSchema({"type": "string", "pattern": f"^{SLUG.pattern}$"})]
Credits = Annotated[
    str,
    AfterValidator(_credits),
    WithJsonSchema({"type": "string", "pattern": r"^(0|[1-9][0-9]{0,12})(\.[0-9]{1,6})?$"}),
]
Expression = Annotated[str, AfterValidator(_expression)]
OnDisconnect = Annotated[
    Literal["continue", "cancel"],
    Field(description="what becomes of a job whose client goes away from its stream"),
]
