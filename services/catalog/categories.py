"""Categories: groups of tools, and those that come with the product."""

from importlib import resources

import yaml
from pydantic import Field, TypeAdapter

from services.catalog.manifests.part import Part, Slug

# No control characters: a name is one line.
LINE = r"^[^\x00-\x1f\x7f]*$"
SORT_ORDER_MAX = 1_000_000


class Category(Part):
    """A group of tools."""

    slug: Slug
    name: str = Field(min_length=1, max_length=100, pattern=LINE)
    icon: str = Field(default="", max_length=63, pattern=LINE)
    description: str = Field(default="", max_length=500, pattern=LINE)
    sort_order: int = Field(default=1_000, ge=0, le=SORT_ORDER_MAX)


def shipped() -> list[Category]:
    """The categories that come with the product."""
    text = (resources.files("services.catalog") / "categories.yaml").read_text(encoding="utf-8")
    return TypeAdapter(list[Category]).validate_python(yaml.safe_load(text))
