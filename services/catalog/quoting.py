"""Pricing one input: what makes it refused, in which order, and the quote.

Order of refusals: tool unknown, disabled, unavailable; input too large, invalid; then the quote: malformed, another
account's (of which nothing more is told), expired, for another tool or input.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from services.catalog import inputs, quotes, refusals
from services.catalog.inputs import CheckedInput, File
from services.catalog.pricing import Price
from services.catalog.quotes import Claims
from services.catalog.snapshot import Snapshot, View
from services.catalog.tool import Tool, ToolVersion
from services.runtime import clock, ids

# Beyond this size, checking an input takes long enough to be felt by the other requests.
_INLINE_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class Priced:
    """A quote with all that it names."""

    quote_id: str
    claims: Claims
    price: Price
    """Of this input: without variants."""
    version: ToolVersion


class Quoter:
    """Makes quotes and verifies them; reads memory only, and writes nothing."""

    def __init__(self, snapshot: Snapshot, keys: Sequence[bytes]) -> None:
        self._snapshot = snapshot
        self._keys = tuple(keys)

    async def price(
        self, account_id: str, slug: str, input_json: bytes, files: Sequence[File], quote_id: str = ""
    ) -> Priced:
        """A new quote, or the one that `quote_id` is, if it fits; raises Refusal."""
        view = await self._snapshot.fresh()
        tool = view.tools.get(slug)
        if tool is None:
            raise refusals.tool_not_found(slug)
        if not tool.enabled:
            raise refusals.tool_disabled(slug)
        claims = quotes.verify(quote_id, self._keys) if quote_id else None
        version = await self._version(view, tool, claims)
        reason = view.unavailable_reason(version)
        if reason:
            raise refusals.tool_unavailable(version, reason)
        checked = await _check(version, input_json, files)
        if not quote_id:
            return self._make(account_id, tool, checked)
        if claims is None:
            raise refusals.quote_malformed()
        return await self._again(quote_id, claims, account_id, version, checked)

    async def _version(self, view: View, tool: Tool, claims: Claims | None) -> ToolVersion:
        """The version that a valid quote names; the newest one otherwise."""
        slug = tool.current.slug
        if claims is None or claims.tool != slug:
            return tool.current
        return await self._snapshot.version(slug, claims.version) or tool.current

    def _make(self, account_id: str, tool: Tool, checked: CheckedInput) -> Priced:
        version, price = tool.current, tool.price.of(checked.value)
        measured, exact = version.measure(checked.value, checked.size_bytes)
        units = price.tariff.named(measured)
        units_max = version.content.limits.units
        for unit, n in units.items():
            if units_max and n > units_max:
                raise refusals.too_large("the input", units_max, n, unit)
        micros = price.tariff.amount(units)
        claims = Claims(
            nonce=ids.random_bytes(quotes.NONCE_BYTES),
            account_id=account_id,
            tool=version.slug,
            version=version.version,
            price_version=tool.price_version,
            units=units,
            exact=exact,
            amount_micros=micros,
            amount_max_micros=micros,
            input_digest=checked.digest,
            expires_at_us=clock.now_us() + quotes.VALID_SECONDS * clock.MICROS_PER_SECOND,
        )
        return Priced(quotes.sign(claims, self._keys), claims, price, version)

    async def _again(
        self, quote_id: str, claims: Claims, account_id: str, version: ToolVersion, checked: CheckedInput
    ) -> Priced:
        if claims.account_id != account_id:
            raise refusals.quote_other_account()
        if claims.expires_at_us <= clock.now_us():
            raise refusals.quote_expired(claims)
        if claims.tool != version.slug or claims.input_digest != checked.digest:
            raise refusals.quote_other_input(claims)
        price = await self._snapshot.price(claims.tool, claims.price_version)
        if price is None or claims.version != version.version:
            # Signed by us, of a catalog whose database was since replaced by an older one.
            raise refusals.quote_malformed()
        return Priced(quote_id, claims, price.of(checked.value), version)


async def _check(version: ToolVersion, input_json: bytes, files: Sequence[File]) -> CheckedInput:
    inputs.check_size(len(input_json), files, version.content.limits.input_bytes)
    check = (input_json, files, version.schema, version.file_properties)
    if len(input_json) <= _INLINE_BYTES_MAX:
        return inputs.check(*check)
    return await asyncio.to_thread(inputs.check, *check)
