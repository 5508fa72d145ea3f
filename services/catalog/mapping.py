"""Between the catalog's own types and the messages of its protocol; the only place that knows both."""

import re

from scrip.catalog.v1 import catalog_pb2

from services.catalog.applying import Applied
from services.catalog.categories import Category
from services.catalog.events import ORIGINS
from services.catalog.history import VersionPeriod
from services.catalog.inputs import File
from services.catalog.manifests.limits import LimitsPart
from services.catalog.pricing import Charging, Price
from services.catalog.quoting import Priced
from services.catalog.snapshot import View
from services.catalog.tool import Tool, ToolVersion, dump
from services.runtime import clock
from services.runtime.errors import invalid
from services.runtime.tariff import Rate

_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_CHARGES = {
    "nothing": catalog_pb2.CHARGE_NOTHING,
    "base": catalog_pb2.CHARGE_BASE,
    "measured": catalog_pb2.CHARGE_MEASURED,
}
_REASONS = {
    "": catalog_pb2.UNAVAILABLE_REASON_UNSPECIFIED,
    "NO_EXECUTOR": catalog_pb2.UNAVAILABLE_REASON_NO_EXECUTOR,
    "MISSING_SECRET": catalog_pb2.UNAVAILABLE_REASON_MISSING_SECRET,
    "MISSING_PACKAGE": catalog_pb2.UNAVAILABLE_REASON_MISSING_PACKAGE,
    "PROVIDER_DOWN": catalog_pb2.UNAVAILABLE_REASON_PROVIDER_DOWN,
}
OUTCOMES = {
    "created": catalog_pb2.APPLY_OUTCOME_CREATED,
    "changed": catalog_pb2.APPLY_OUTCOME_CHANGED,
    "unchanged": catalog_pb2.APPLY_OUTCOME_UNCHANGED,
}
_REASON_WORDS: dict[int, str] = {number: word for word, number in _REASONS.items()}


def tool_message(tool: Tool, version: ToolVersion, view: View, in_list: bool = False) -> catalog_pb2.Tool:
    """A tool in one of its versions, with what is in force now; without its documentation in a list."""
    content = version.content
    reason = view.unavailable_reason(version)
    message = catalog_pb2.Tool(
        slug=version.slug,
        name=content.name,
        description=content.description,
        category=content.category,
        icon=content.icon,
        tags=content.tags,
        version=version.version,
        price_version=tool.price_version,
        price=price_message(tool.price),
        limits=limits_message(content.limits),
        input_schema_json=dump(content.input_schema),
        output_schema_json=dump(content.output_schema),
        example_inputs_json=[dump(example) for example in content.examples],
        enabled=tool.enabled,
        available=not reason,
        unavailable_reason=_REASONS[reason],
        run_json=version.run_json,
        provider=content.provider,
        documentation="" if in_list else content.documentation,
        price_origin=ORIGINS[tool.origin],
        digest=version.digest,
        secret=content.secret,
    )
    message.created_at.FromDatetime(version.created_at)
    if content.deprecated is not None:
        message.deprecation.successor = content.deprecated.successor or ""
        message.deprecation.note = content.deprecated.note
        message.deprecation.SetInParent()
    if tool.scheduled is not None:
        message.scheduled_price.price.CopyFrom(price_message(tool.scheduled.price))
        message.scheduled_price.effective_at.FromDatetime(tool.scheduled.at)
    return message


def version_message(period: VersionPeriod) -> catalog_pb2.ToolVersion:
    """A version with the prices of its time."""
    message = catalog_pb2.ToolVersion(version=period.version, digest=period.digest)
    message.created_at.FromDatetime(period.created_at)
    for one in period.prices:
        price = message.prices.add(
            price_version=one.row.price_version,
            price=price_message(one.row.made()),
            origin=ORIGINS[one.row.origin],
        )
        price.created_at.FromDatetime(one.created_at)
    return message


def category_message(category: Category, view: View) -> catalog_pb2.Category:
    """A category, and how many tools in it are switched on."""
    tools = view.tools.values()
    enabled = sum(tool.enabled and tool.current.content.category == category.slug for tool in tools)
    return catalog_pb2.Category(**category.model_dump(), enabled_tools=enabled)


def applied_message(applied: Applied, replayed: bool) -> catalog_pb2.ApplyToolResponse:
    """What became of a tool."""
    return catalog_pb2.ApplyToolResponse(
        slug=applied.slug,
        outcome=OUTCOMES[applied.outcome],
        version=applied.version,
        price_version=applied.price_version,
        changes=[catalog_pb2.Change(path=one.path, before=one.before, after=one.after) for one in applied.changes],
        changes_left_off=applied.changes_left_off,
        price_origin=ORIGINS[applied.origin],
        replayed=replayed,
    )


def quote_message(priced: Priced) -> catalog_pb2.Quote:
    """A quote with all that it names."""
    claims = priced.claims
    message = catalog_pb2.Quote(
        quote_id=priced.quote_id,
        job_id=claims.job_id,
        account_id=claims.account_id,
        tool=claims.tool,
        version=claims.version,
        price_version=claims.price_version,
        price=price_message(priced.price),
        units=claims.units,
        exact=claims.exact,
        amount_micros=claims.amount_micros,
        amount_max_micros=claims.amount_max_micros,
        input_digest=claims.input_digest,
        limits=limits_message(priced.version.content.limits),
    )
    message.expires_at.FromDatetime(clock.from_us(claims.expires_at_us))
    return message


def price_message(price: Price) -> catalog_pb2.Price:
    """A price."""
    tariff = price.tariff
    return catalog_pb2.Price(
        base_micros=tariff.base,
        per_unit_micros=tariff.rates[0].micros if price.sole_unit else 0,
        unit=price.sole_unit,
        minimum_micros=tariff.minimum,
        charging=_charging_message(price.charging),
        cached_micros=price.cached,
        rates=map(_rate_message, tariff.rates),
        variants=[
            catalog_pb2.PriceVariant(
                when=variant.when,
                base_micros=variant.tariff.base,
                minimum_micros=variant.tariff.minimum,
                rates=map(_rate_message, variant.tariff.rates),
            )
            for variant in price.variants
        ],
    )


def limits_message(limits: LimitsPart) -> catalog_pb2.Limits:
    """A tool's limits."""
    return catalog_pb2.Limits(
        input_bytes=limits.input_bytes,
        units=limits.units,
        timeout_ms=limits.timeout_ms,
        rate_per_hour=limits.rate_per_hour,
        concurrency=limits.concurrency,
    )


def files_of(request: catalog_pb2.QuotePriceRequest) -> list[File]:
    """The files of an input; raises REQUEST_INVALID for a stored one that is not as the gateway tells it."""
    return [_file(index, file) for index, file in enumerate(request.files)]


def _file(index: int, file: catalog_pb2.InputFile) -> File:
    if not file.file_id:
        return File.inline(file.property, file.media_type, file.data)
    if file.data or file.size_bytes < 0 or not _DIGEST.fullmatch(file.digest):
        raise invalid(f"files[{index}]", "a stored file has a size, a SHA-256 in lower-case hex, and no data")
    return File(file.property, file.media_type, file.size_bytes, file.digest, is_inline=False)


def reason_word(number: int) -> str | None:
    """Why a tool cannot run, as it is stored: empty where it can, None for a number this program does not know."""
    return _REASON_WORDS.get(number)


def _rate_message(rate: Rate) -> catalog_pb2.UnitRate:
    tiers = [catalog_pb2.PriceTier(above=tier.above, micros=tier.micros) for tier in rate.tiers]
    return catalog_pb2.UnitRate(unit=rate.unit, micros=rate.micros, per=rate.per, tiers=tiers)


def _charging_message(charging: Charging) -> catalog_pb2.ChargingRules:
    return catalog_pb2.ChargingRules(
        succeeded=_CHARGES[charging.succeeded],
        failed=_CHARGES[charging.failed],
        refused=_CHARGES[charging.refused],
        timed_out=_CHARGES[charging.timed_out],
        canceled=_CHARGES[charging.canceled],
        unknown=_CHARGES[charging.unknown],
    )
