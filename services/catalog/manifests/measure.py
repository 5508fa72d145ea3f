"""How many units a call uses, and where that is said."""

from typing import Annotated, Literal

from pydantic import Field

from services.catalog.manifests.part import Expression, Part
from services.catalog.manifests.price import UnitWord
from services.runtime.tariff import SOLE

Member = Annotated[str, Field(pattern=r"^(/[^/~]+)?$", description="JSON pointer of a member of the input")]


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
    """Units are a number of the input, begun ones whole, such as seconds or pictures asked for; `times` another one of
    it, 1 where that is not given."""

    from_: Literal["input_number"] = Field(alias="from")
    pointer: str = Field(pattern=r"^/[^/~]+$", description="JSON pointer of a member of the input")
    default: int = Field(ge=0, description="where the input does not say")
    times: Member = ""


class PerCall(Part):
    """One unit a call."""

    from_: Literal["call"] = Field(alias="from")


class FromResponse(Part):
    """Units are what the provider says it used. Known afterwards, so a quote is an upper bound, the least of what is
    said: a number of the input (`at_most`, `times` another one) with the characters of its texts (`and_characters`);
    one for so many bytes of the input (`per_bytes`), such as seconds of a recording; `limits.units`."""

    from_: Literal["response"] = Field(alias="from")
    value: Expression = Field(description="JMESPath over status, headers, body, input, output: a number, or its text")
    at_most: Member = ""
    default: int = Field(default=0, ge=0, description="in its place where the input does not say")
    times: Member = ""
    and_characters: bool = Field(default=False, description="plus all characters of the input's texts")
    per_bytes: int = Field(default=0, ge=0, description="bytes of the input that make a unit at least; 0: unknown")

    @property
    def has_bound(self) -> bool:
        """Whether it bounds the units by the input's members, `limits.units` apart."""
        return bool(self.at_most or self.default or self.and_characters)


OneMeasure = Annotated[
    InputCharacters | InputItems | InputNumber | InputMegabytes | PerCall | FromOutput | FromResponse,
    Field(discriminator="from_"),
]


class EachUnit(Part):
    """Units are of several kinds, each measured in its way; `price.rates` has the same ones."""

    from_: Literal["each"] = Field(alias="from")
    units: dict[UnitWord, OneMeasure] = Field(min_length=2)


Measure = Annotated[
    InputCharacters | InputItems | InputNumber | InputMegabytes | PerCall | FromOutput | FromResponse | EachUnit,
    Field(discriminator="from_"),
]


def measures_of(measure: Measure | None) -> dict[str, OneMeasure]:
    """By unit; one that is measured alone has no name here."""
    match measure:
        case None:
            return {}
        case EachUnit():
            return {str(unit): one for unit, one in measure.units.items()}
        case _:
            return {SOLE: measure}
