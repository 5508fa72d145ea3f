"""How many units a call uses, and where that is said."""

from typing import Annotated, Literal

from pydantic import Field

from services.catalog.manifests.part import Expression, Part


class InputCharacters(Part):
    """Units are the Unicode code points of one text of the input, or of all texts of an array."""

    from_: Literal["input_characters"] = Field(alias="from")
    pointer: str = Field(pattern=r"^/[^/~]+$", description="JSON pointer of a member of the input")


class InputMegabytes(Part):
    """Units are the started megabytes (1,000,000 bytes) of the input with its files."""

    from_: Literal["input_megabytes"] = Field(alias="from")


class FromOutput(Part):
    """Units are a number in the output, so a quote is an upper bound: `limits.units`."""

    from_: Literal["output"] = Field(alias="from")
    pointer: str = Field(pattern=r"^(/[^/]+)+$", description="JSON pointer into the output")


class InputItems(Part):
    """Units are the items of an array of the input; an absent one has none."""

    from_: Literal["input_items"] = Field(alias="from")
    pointer: str = Field(pattern=r"^/[^/~]+$", description="JSON pointer of a member of the input")


class InputNumber(Part):
    """Units are a number of the input, begun ones whole, such as seconds or pictures asked for."""

    from_: Literal["input_number"] = Field(alias="from")
    pointer: str = Field(pattern=r"^/[^/~]+$", description="JSON pointer of a member of the input")
    default: int = Field(ge=0, description="where the input does not say")


class PerCall(Part):
    """One unit a call."""

    from_: Literal["call"] = Field(alias="from")


class FromResponse(Part):
    """Units are what the provider says it used. Known afterwards, so a quote is an upper bound: a number of the input
    (`at_most`) with the characters of its texts (`and_characters`), or `limits.units` where that is less or nothing
    else is said."""

    from_: Literal["response"] = Field(alias="from")
    value: Expression = Field(description="JMESPath over status, headers, body, input, output: a number, or its text")
    at_most: str = Field(default="", pattern=r"^(/[^/~]+)?$", description="JSON pointer of a member of the input")
    default: int = Field(default=0, ge=0, description="in its place where the input does not say")
    and_characters: bool = Field(default=False, description="plus all characters of the input's texts")


Measure = Annotated[
    InputCharacters | InputItems | InputNumber | InputMegabytes | PerCall | FromOutput | FromResponse,
    Field(discriminator="from_"),
]
