"""Pricing an input: what it costs, and what is refused first."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator

import pytest

from services.catalog import quotes, store
from services.catalog.inputs import File
from services.catalog.quoting import Priced, Quoter
from services.runtime import clock
from services.runtime.errors import Refusal
from tests.catalog.conftest import KEYS, Catalog
from tests.catalog.samples import FILE_TOOL, manifest

INPUT = {"text": "one two"}


@pytest.fixture
async def shop(catalog: Catalog) -> AsyncIterator[Catalog]:
    """A catalog with both sample tools, ready to run."""
    await catalog.ship(manifest(), manifest(FILE_TOOL), manifest(slug="off"), manifest(slug="away"))
    await catalog.report("count-words")
    await catalog.report("shrink")
    await catalog.report("away", reason="MISSING_PACKAGE")
    await catalog.switch("off", False, "r1")
    await catalog.snapshot.refresh()
    yield catalog


async def price(
    shop: Catalog, tool: str = "count-words", value: object = INPUT, quote_id: str = "", account: str = "demo"
) -> Priced:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return await shop.quoter.price(account, tool, data, [], quote_id)


async def refused(shop: Catalog, tool: str = "count-words", value: object = INPUT, quote_id: str = "") -> Refusal:
    with pytest.raises(Refusal) as caught:
        await price(shop, tool, value, quote_id)
    return caught.value


@pytest.mark.parametrize(("text", "micros"), [("x", 510_000), ("x" * 100, 1_500_000), ("ä€😀", 530_000)])
async def test_units_counted_in_the_input_are_exact(shop: Catalog, text: str, micros: int) -> None:
    """0.5 and 0.01 a character; a character is a code point, however many bytes it takes."""
    claims = (await price(shop, value={"text": text})).claims
    assert (claims.units, claims.exact) == ({"character": len(text)}, True)
    assert claims.amount_micros == claims.amount_max_micros == micros


async def test_megabytes_are_counted_over_the_input_with_its_files(shop: Catalog) -> None:
    """1 credit and 2 for each megabyte begun."""
    data = bytes(1_000_000)
    value = {"image": f"sha256:{hashlib.sha256(data).hexdigest()}"}
    priced = await shop.quoter.price("demo", "shrink", json.dumps(value).encode(), [File("image", "image/png", data)])
    assert (priced.claims.units, priced.claims.amount_micros) == ({"megabyte": 2}, 5_000_000)


async def test_what_only_the_output_tells_is_bounded(shop: Catalog) -> None:
    """A quote then is for as many units as the tool allows, and says that it is not exact."""
    await shop.ship(
        manifest(
            slug="wait",
            price={"base": "1", "per_unit": "0.5", "unit": "second"},
            measure={"from": "output", "pointer": "/seconds"},
            limits={"input_bytes": 100, "timeout_ms": 1, "units": 60},
        )
    )
    await shop.report("wait")
    claims = (await price(shop, "wait")).claims
    assert (claims.units, claims.exact, claims.amount_max_micros) == ({"second": 60}, False, 31_000_000)


async def test_kinds_of_units_are_measured_and_charged_apart(shop: Catalog) -> None:
    """Input and output have prices of their own; a call is exact where all of its units are."""
    await shop.ship(
        manifest(
            slug="chat",
            price={
                "rates": {
                    "character": {"per_unit": "0.002", "per": 1000},
                    "output_token": {"per_unit": "0.01", "tiers": [{"above": 10, "per_unit": "0.005"}]},
                }
            },
            measure={
                "from": "each",
                "units": {
                    "character": {"from": "input_characters", "pointer": "/text"},
                    "output_token": {"from": "output", "pointer": "/tokens"},
                },
            },
            limits={"input_bytes": 100, "timeout_ms": 1, "units": 20},
        )
    )
    await shop.report("chat")
    claims = (await price(shop, "chat", {"text": "abc"})).claims
    assert (claims.units, claims.exact) == ({"character": 3, "output_token": 20}, False)
    assert claims.amount_micros == 6 + 10 * 10_000 + 10 * 5_000
    assert (await refused(shop, "chat", {"text": "x" * 21})).metadata["unit"] == "character"


async def test_the_price_may_depend_on_the_input(shop: Catalog) -> None:
    """The quote has the price of its input alone, and so has the same quote when it comes back."""
    variant = {"when": "input.text == 'dear'", "base": "9"}
    await shop.ship(manifest(slug="vary", price={"base": "1", "unit": "character", "variants": [variant]}))
    await shop.report("vary")
    for text, micros in (("cheap", 1_000_000), ("dear", 9_000_000)):
        made = await price(shop, "vary", {"text": text})
        again = await price(shop, "vary", {"text": text}, made.quote_id)
        assert made.claims.amount_micros == micros
        assert made.price == again.price
        assert (made.price.tariff.base, made.price.variants) == (micros, ())


async def test_more_units_than_a_call_may_have_are_too_large(shop: Catalog) -> None:
    """The refusal names the limit, the number and the unit."""
    await shop.ship(manifest(limits={"input_bytes": 2000, "timeout_ms": 1, "units": 5}))
    await shop.report("count-words", version=2)
    answer = await refused(shop)
    assert (answer.reason, answer.metadata) == (
        "INPUT_TOO_LARGE",
        {"limit": "5", "actual": "7", "unit": "character"},
    )


async def test_a_quote_is_answered_again_as_it_was(shop: Catalog) -> None:
    """With the same input, however written: the same amounts, versions, expiry and job."""
    first = await price(shop)
    again = await price(shop, value=b'{ "text" : "one\\u0020two" }', quote_id=first.quote_id)
    assert again.quote_id == first.quote_id
    assert (again.claims, again.price) == (first.claims, first.price)
    assert again.version is first.version


async def test_two_quotes_of_the_same_input_lead_to_two_jobs(shop: Catalog) -> None:
    """Each quote is good for one call."""
    one, other = await price(shop), await price(shop)
    assert one.claims.job_id != other.claims.job_id
    assert abs(one.claims.expires_at_us - clock.now_us() - 300_000_000) < 5_000_000


async def test_a_quote_keeps_its_price_and_version(shop: Catalog) -> None:
    """A new price, and a new version that runs the same way, are for later quotes."""
    first = await price(shop)
    await shop.ship(manifest(name="Count", price__base="5"))
    await shop.report("count-words", version=2)
    again = await price(shop, quote_id=first.quote_id)
    assert (again.claims, again.price) == (first.claims, first.price)
    assert again.version.version == 1
    assert (await price(shop)).claims.amount_micros == 5_070_000


async def test_a_quote_of_before_a_restart_is_still_good(shop: Catalog, other: Catalog) -> None:
    """Any replica with the keys and the database can tell, also of versions that are no longer in force."""
    first = await price(shop)
    await shop.ship(manifest(name="Count", price__base="5"))
    await shop.report("count-words", version=2)
    await other.snapshot.refresh()
    again = await price(other, quote_id=first.quote_id)
    assert (again.claims, again.price) == (first.claims, first.price)


async def test_the_input_is_held_against_the_version_that_the_quote_names(shop: Catalog) -> None:
    """What that version took is taken for as long as its quote is good."""
    first = await price(shop)
    await shop.ship(
        manifest(input_schema__properties__text={"type": "string", "maxLength": 1}, examples=[{"text": "x"}])
    )
    await shop.report("count-words", version=2)
    assert (await price(shop, quote_id=first.quote_id)).claims == first.claims
    assert (await refused(shop)).reason == "INPUT_INVALID"


async def test_pricing_asks_the_database_nothing(shop: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the view is new, a quote is made and verified from memory."""

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("the database was asked")

    await shop.snapshot.refresh()
    monkeypatch.setattr(shop.pool, "connection", forbidden)
    first = await price(shop)
    assert (await price(shop, quote_id=first.quote_id)).claims == first.claims


LARGE = {"text": "x" * 3_000}
INVALID = {"text": "", "mode": "x"}

ORDER = [
    ("unknown before all", "no-such-tool", LARGE, "bad", "TOOL_NOT_FOUND"),
    ("disabled before its input", "off", LARGE, "bad", "TOOL_DISABLED"),
    ("unavailable before its input", "away", LARGE, "bad", "TOOL_UNAVAILABLE"),
    ("too large before invalid", "count-words", LARGE | {"mode": "x"}, "bad", "INPUT_TOO_LARGE"),
    ("invalid before the quote", "count-words", INVALID, "bad", "INPUT_INVALID"),
    ("the quote last", "count-words", INPUT, "bad", "QUOTE_MALFORMED"),
]


@pytest.mark.parametrize(
    ("tool", "value", "quote_id", "reason"), [row[1:] for row in ORDER], ids=[row[0] for row in ORDER]
)
async def test_of_several_reasons_the_first_is_told(
    shop: Catalog, tool: str, value: object, quote_id: str, reason: str
) -> None:
    """The order is fixed, so that the same request gets the same answer."""
    assert (await refused(shop, tool, value, quote_id)).reason == reason


async def test_an_unavailable_tool_says_why(shop: Catalog) -> None:
    """In words that a program can tell apart."""
    answer = await refused(shop, "away")
    assert answer.metadata["unavailable_reason"] == "MISSING_PACKAGE"
    await shop.ship(manifest(slug="new"))
    assert (await refused(shop, "new")).metadata["unavailable_reason"] == "NO_EXECUTOR"


async def test_quotes_that_do_not_fit_are_told_apart(shop: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another account's first, and nothing more of it; then expired; then for another tool or input."""
    quote_id = (await price(shop)).quote_id
    assert (await refused(shop, value={"text": "other"}, quote_id=quote_id)).reason == "QUOTE_OTHER_INPUT"
    for_another_tool = await refused(shop, "shrink", b"{}", quote_id)
    assert for_another_tool.reason == "INPUT_INVALID"
    await shop.ship(manifest(slug="twin"))
    await shop.report("twin")
    assert (await refused(shop, "twin", quote_id=quote_id)).reason == "QUOTE_OTHER_INPUT"
    with pytest.raises(Refusal) as other_account:
        await price(shop, value={"text": "other"}, quote_id=quote_id, account="other")
    assert (other_account.value.reason, other_account.value.metadata) == ("QUOTE_OTHER_ACCOUNT", {})
    foreign = Quoter(shop.snapshot, [b"x" * 32])
    with pytest.raises(Refusal) as malformed:
        await foreign.price("demo", "count-words", json.dumps(INPUT).encode(), [], quote_id)
    assert malformed.value.reason == "QUOTE_MALFORMED"
    monkeypatch.setattr(clock, "now_us", lambda: quotes.verify(quote_id, KEYS).expires_at_us)  # type: ignore[union-attr]
    expired = await refused(shop, value={"text": "other"}, quote_id=quote_id)
    assert expired.reason == "QUOTE_EXPIRED"
    assert expired.metadata["expired_at"].endswith("Z")


async def test_a_disabled_tool_refuses_a_valid_quote(shop: Catalog) -> None:
    """At once on the replica that was told."""
    quote_id = (await price(shop)).quote_id
    await shop.switch("count-words", False, "r2")
    await shop.snapshot.refresh()
    assert (await refused(shop, quote_id=quote_id)).reason == "TOOL_DISABLED"


async def test_a_quote_whose_price_is_gone_is_no_quote(shop: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a restore of an older database: it is refused, not priced anew."""
    quote_id = (await price(shop)).quote_id

    async def gone(*_: object) -> None:
        return None

    await shop.ship(manifest(price__base="5"))
    shop.snapshot._prices = type(shop.snapshot._prices)()
    monkeypatch.setattr(store, "read_price", gone)
    assert (await refused(shop, quote_id=quote_id)).reason == "QUOTE_MALFORMED"


async def test_a_large_input_does_not_hold_up_others(shop: Catalog) -> None:
    """It is checked beside the loop, which goes on meanwhile."""
    await shop.ship(
        manifest(limits__input_bytes=2_000_000, input_schema__properties__list={"type": "array"}, slug="big")
    )
    await shop.report("big")
    large = json.dumps({"text": "x", "list": [0] * 200_000}).encode()
    checking = asyncio.create_task(price(shop, "big", large))
    turns = 0
    while not checking.done():
        await asyncio.sleep(0)
        turns += 1
    assert (await checking).claims.units == {"character": 1}
    assert turns > 10
