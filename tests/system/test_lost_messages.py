"""JetStream may lose messages: the views still equal the log ten seconds later."""

import asyncio
from decimal import Decimal

import nats
from nats.js.api import StreamState
from nats.js.errors import APIError

from services.runtime.topology import EVENTS_STREAM
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

EXECUTES = 60


async def test_views_equal_the_log_although_messages_were_deleted(stack: Stack) -> None:
    """Under load most of the stream is deleted, again and again; the views hold every movement all the same."""
    account_id, client = await stack.account("10")
    connection = await nats.connect(stack.run_json["nats_url"])
    jetstream = connection.jetstream()
    deleted = 0
    loaded = asyncio.Event()

    async def lose() -> None:
        nonlocal deleted
        reached = 0
        while not loaded.is_set():
            state: StreamState = (await jetstream.stream_info(EVENTS_STREAM)).state
            for seq in range(max(reached + 1, state.first_seq), state.last_seq + 1):
                try:
                    deleted += await jetstream.delete_msg(EVENTS_STREAM, seq)
                except APIError:
                    continue
            reached = state.last_seq

    async def load() -> None:
        for _ in range(EXECUTES // 6):
            answers = await asyncio.gather(
                *(client.post("/v1/tools/echo/execute", json={"input": {"message": "x"}}) for _ in range(6))
            )
            assert {answer.status_code for answer in answers} == {200}
        loaded.set()

    try:
        await asyncio.gather(lose(), load())
    finally:
        await connection.close()
    assert deleted > EXECUTES, "the test did not delete what it meant to"

    def views_equal_the_log() -> bool:
        seen = stack.query(
            "analyst",
            "SELECT kind, count(*), sum(amount) FROM analytics.credit_movements"
            " WHERE account_id = %s GROUP BY 1 ORDER BY 1",
            account_id,
        )
        return seen == [
            ("captured", EXECUTES, Decimal("0.01") * EXECUTES),
            ("granted", 1, Decimal(10)),
            ("reserved", EXECUTES, Decimal("0.07") * EXECUTES),
        ]

    await eventually(views_equal_the_log, 10, "the views do not equal the log")

    def usage_equals_the_log() -> bool:
        rows = stack.query(
            "analyst", "SELECT total_jobs, total_credits FROM analytics.tool_usage_daily WHERE tool = 'echo'"
        )
        return rows == [(EXECUTES, Decimal("0.01") * EXECUTES)]

    await eventually(usage_equals_the_log, 10, "usage does not equal the log")
