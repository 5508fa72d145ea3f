"""What the README shows, done as it says."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from tests.harness.stack import Stack, data_url
from tests.harness.waiting import eventually
from tests.system import samples

EXAMPLES = [
    (
        "pdf-to-text",
        {"pdf": data_url("application/pdf", samples.pdf(samples.TEXT))},
        lambda out: samples.TEXT in str(out),
    ),
    ("barcode-read", {"image": data_url("image/png", samples.barcode("SCRIP-42"))}, lambda out: "SCRIP-42" in str(out)),
    ("detect-language", {"text": samples.TEXT}, lambda out: out["language"] == "en"),
]


@pytest.mark.parametrize(("slug", "given", "is_right"), EXAMPLES, ids=[row[0] for row in EXAMPLES])
async def test_a_tool_gives_its_output_and_costs_what_was_quoted(
    stack: Stack, slug: str, given: dict[str, Any], is_right: Any
) -> None:
    """Output, balance and the analyst's views agree, to the last microcredit and within two seconds."""
    account_id, client = await stack.account("100")
    quote = (await client.post(f"/v1/tools/{slug}/quote", json={"input": given})).json()
    assert quote["exact"] is True
    answer = await client.post(
        f"/v1/tools/{slug}/execute",
        json={"input": given, "quote_id": quote["quote_id"]},
        headers={"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
    )
    assert answer.status_code == 200, answer.text
    job = answer.json()
    assert job["status"] == "SUCCEEDED"
    assert is_right(job["output"]), job["output"]
    assert job["credits"] == {
        "quoted": quote["credits"],
        "reserved": quote["credits"],
        "captured": quote["credits"],
        "settled": True,
    }
    credits = (await client.get("/v1/account")).json()["credits"]
    assert Decimal(credits["available"]) == 100 - Decimal(quote["credits"])
    assert (credits["spent"], credits["reserved"]) == (quote["credits"], "0")

    def movement() -> list[tuple[Any, ...]]:
        return stack.query(
            "analyst",
            "SELECT amount, available_after, tool, trace_id FROM analytics.credit_movements"
            " WHERE account_id = %s AND kind = 'captured'",
            account_id,
        )

    rows = await eventually(movement, 2)
    assert rows == [
        (
            Decimal(quote["credits"]),
            Decimal(credits["available"]),
            slug,
            "0af7651916cd43dd8448eb211c80319c",
        )
    ]

    def usage() -> list[tuple[Any, ...]]:
        return stack.query(
            "analyst",
            "SELECT total_jobs, successful_jobs, total_credits FROM analytics.tool_usage_daily"
            " WHERE tool = %s AND successful_jobs > 0 AND total_credits > 0",
            slug,
        )

    assert await eventually(usage, 2) == [(1, 1, Decimal(quote["credits"]))]


async def test_the_statement_tells_the_way_to_the_balance(stack: Stack) -> None:
    """Grant, reserve and capture are entries with the credits after each, newest first."""
    _, client = await stack.account("1")
    await client.post("/v1/tools/echo/execute", json={"input": {"message": "hi"}})
    entries = (await client.get("/v1/account/statement")).json()["entries"]
    moving = [entry for entry in entries if entry["kind"] in ("captured", "reserved", "granted")]
    assert [entry["available_after"] for entry in moving] == ["0.99", "0.93", "1"]


async def test_fifty_at_once_on_credits_for_ten(stack: Stack) -> None:
    """Exactly ten succeed, forty get 402 with their numbers, and nothing stays reserved."""
    _, client = await stack.account("10")
    image = data_url("image/png", samples.barcode("x"))
    answers = await asyncio.gather(
        *(client.post("/v1/tools/barcode-read/execute", json={"input": {"image": image}}) for _ in range(50))
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 10 + [402] * 40
    refused = next(answer.json() for answer in answers if answer.status_code == 402)
    assert refused["type"] == "urn:scrip:problem:insufficient-credits"
    assert refused["required"] == "1"
    assert Decimal(refused["available"]) + Decimal(refused["reserved"]) <= 10

    async def nothing_reserved() -> bool:
        credits = (await client.get("/v1/account")).json()["credits"]
        return (credits["available"], credits["reserved"], credits["spent"]) == ("0", "0", "10")

    await eventually(nothing_reserved, 10)
