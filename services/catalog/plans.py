"""What putting a manifest in force changes, compared with the tool as it is. Pure.

The operator's switch stays as it is, and so does an operator's price, unless it no longer fits: one for each character
cannot be charged where pages are counted now.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from services.catalog.changes import digest
from services.catalog.differences import Difference, differences
from services.catalog.manifests import rules
from services.catalog.manifests.manifest import Content, Manifest
from services.catalog.manifests.price import PricePart
from services.catalog.pricing import Price
from services.catalog.store import ToolRow

Outcome = Literal["created", "changed", "unchanged"]
Form = dict[str, Any]
"""A price as a manifest has it, with all its members."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`row` is the tool as it is, None where there is none; the rest is how it will be."""

    row: ToolRow | None
    manifest: Manifest
    content: dict[str, Any]
    digest: str
    operator_price: Form | None
    scheduled_price: Form | None

    @property
    def is_new_version(self) -> bool:
        """Whether the content is another one."""
        return self.row is None or self.row.version.digest != self.digest

    @property
    def version(self) -> int:
        """Of the content."""
        return (self.row.version.version if self.row else 0) + self.is_new_version

    @property
    def is_new_manifest_price(self) -> bool:
        """Whether the manifest's price is another one, in force or not; however it is written."""
        return self.row is None or price_of(self.row.manifest_price) != self.manifest.price.price()

    @property
    def manifest_price(self) -> Form:
        """The manifest's price."""
        return (
            form_of(self.manifest.price) if self.row is None or self.is_new_manifest_price else self.row.manifest_price
        )

    @property
    def is_new_price(self) -> bool:
        """Whether another price comes into force: the manifest's."""
        dropped = self.row is not None and self.row.operator_price is not None
        return self.operator_price is None and (self.is_new_manifest_price or dropped)

    @property
    def price_version(self) -> int:
        """Of the price in force."""
        return (self.row.price.price_version if self.row else 0) + self.is_new_price

    @property
    def price(self) -> Form:
        """The price in force."""
        return self.operator_price or self.manifest_price

    @property
    def outcome(self) -> Outcome:
        """What becomes of the tool."""
        if self.row is None:
            return "created"
        return "changed" if self.is_new_version or self.is_new_manifest_price else "unchanged"

    def changes(self) -> list[Difference]:
        """Every member that is different, an operator's price that is dropped as well."""
        if self.outcome == "unchanged":
            return []
        before: dict[str, Any] = {}
        if self.row is not None:
            before = json.loads(self.row.version.content)
            before |= _prices(self.row.manifest_price, self.row.operator_price, self.row.scheduled_price)
        after = self.content | _prices(self.manifest_price, self.operator_price, self.scheduled_price)
        return list(differences(before, after))


def compare(row: ToolRow | None, manifest: Manifest) -> Plan:
    """What a manifest changes."""
    content = manifest.written()
    del content["price"]
    operator_price = _kept(row.operator_price if row else None, manifest)
    scheduled_price = _kept(row.scheduled_price if row else None, manifest)
    return Plan(row, manifest, content, digest(content), operator_price, scheduled_price)


def misfits(content: Content, manifest_price: Form, price: PricePart) -> Iterator[tuple[str, str]]:
    """Why a tool cannot have a price in the place of its manifest's, as path and text; nothing where it can."""
    counted = PricePart.model_validate(manifest_price).units
    if price.units != counted:
        yield "price.unit", f"must be {', '.join(sorted(counted)) or 'empty'}, as the manifest says"
    yield from rules.problems(Manifest.model_construct(**(dict(content) | {"price": price})))


def form_of(price: PricePart) -> Form:
    """A price as it is stored."""
    return price.model_dump(mode="json")


def price_of(form: Form) -> Price:
    """The price that was stored so."""
    return PricePart.model_validate(form).price()


def _kept(form: Form | None, manifest: Manifest) -> Form | None:
    if form is None or any(misfits(manifest, form_of(manifest.price), PricePart.model_validate(form))):
        return None
    return form


def _prices(manifest_price: Form, operator_price: Form | None, scheduled_price: Form | None) -> dict[str, Any]:
    """As they are shown: without what a price need not say."""
    forms = {"price": manifest_price, "operator_price": operator_price, "scheduled_price": scheduled_price}
    return {
        name: PricePart.model_validate(form).model_dump(mode="json", exclude_defaults=True)
        for name, form in forms.items()
        if form is not None
    }
