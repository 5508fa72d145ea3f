"""What the catalog's log says of a change."""

import json
from datetime import datetime
from typing import Any

from scrip.catalog.v1 import events_pb2

from services.catalog.categories import Category
from services.catalog.manifests.manifest import Content
from services.catalog.manifests.price import PricePart
from services.catalog.pricing import Price
from services.runtime import identity, tracing

ORIGINS = {"manifest": events_pb2.PRICE_ORIGIN_MANIFEST, "operator": events_pb2.PRICE_ORIGIN_OPERATOR}


def of_tool(
    kind: events_pb2.EventKind, content: Content, version: int, digest: str, price_version: int, price: Price
) -> events_pb2.Event:
    """A change of a tool. `price` is in force after it, or what the event is about."""
    event = events_pb2.Event(
        kind=kind,
        tool=content.slug,
        version=version,
        price_version=price_version,
        manifest_digest=digest,
        category=content.category,
        actor=identity.actor() or "service:catalog",
        trace_id=tracing.trace_id(),
        name=content.name,
        provider=content.provider,
    )
    _tell_price(event, price)
    return event


def with_price(
    event: events_pb2.Event, form: dict[str, Any], origin: str, effective_at: datetime | None = None
) -> events_pb2.Event:
    """The event, which is about a price: all that the price says, whose it is, and when it will be."""
    price = PricePart.model_validate(form).price()
    _tell_price(event, price)
    event.price_json = json.dumps(form, separators=(",", ":")).encode()
    event.price_origin = ORIGINS[origin]
    if effective_at:
        event.effective_at.FromDatetime(effective_at)
    return event


def _tell_price(event: events_pb2.Event, price: Price) -> None:
    """What of a price has a field of its own: the base, and the unit where there is but one."""
    event.base_micros, event.unit = price.tariff.base, price.sole_unit
    event.per_unit_micros = price.tariff.rates[0].micros if price.sole_unit else 0


def of_category(kind: events_pb2.EventKind, category: Category) -> events_pb2.Event:
    """A change of a category."""
    return events_pb2.Event(
        kind=kind,
        category=category.slug,
        name=category.name,
        actor=identity.actor() or "service:catalog",
        trace_id=tracing.trace_id(),
    )
