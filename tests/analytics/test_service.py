"""The service as a process: it stays up, tells how far it is, and follows the real owners."""

import asyncio

import grpc
import httpx
import psycopg
import pytest
from google.protobuf.duration_pb2 import Duration
from scrip.analytics.v1 import analytics_pb2, analytics_pb2_grpc
from scrip.ledger.v1 import events_pb2, ledger_pb2, ledger_pb2_grpc

from services.cli.local.nats import Server
from services.runtime import ids
from services.runtime.errors import Refusal
from services.runtime.grpc_client import Peer
from tests.analytics.logs import TRACE
from tests.analytics.support import analyst_sees
from tests.harness.processes import Services
from tests.harness.waiting import eventually


async def freshness(peer: Peer) -> list[analytics_pb2.Freshness]:
    stub = analytics_pb2_grpc.AnalyticsServiceStub(peer.channel)
    answer = await peer.call(stub.GetFreshness, analytics_pb2.GetFreshnessRequest())
    return list(answer.projections)


async def capture(ledger: Peer, account: str, job_id: str, micros: int) -> None:
    """Opens an account, grants, reserves and captures, as the saga does."""
    stub = ledger_pb2_grpc.LedgerServiceStub(ledger.channel)
    subject = ledger_pb2.Subject(tool="echo", tool_version=1, price_version=1, trace_id=TRACE, labels={"team": "blue"})
    await ledger.call(stub.OpenAccount, ledger_pb2.OpenAccountRequest(request_id=ids.uuid7(), account_id=account))
    grant = ledger_pb2.GrantCreditsRequest(
        request_id=ids.uuid7(), account_id=account, amount_micros=10 * micros, source=events_pb2.GRANT_SOURCE_PROMOTION
    )
    await ledger.call(stub.GrantCredits, grant)
    reserve = ledger_pb2.ReserveCreditsRequest(
        request_id=ids.uuid7(),
        account_id=account,
        reservation_id=job_id,
        amount_micros=2 * micros,
        ttl=Duration(seconds=60),
        subject=subject,
    )
    await ledger.call(stub.ReserveCredits, reserve)
    final = ledger_pb2.CaptureReservationRequest(
        request_id=ids.uuid7(),
        account_id=account,
        reservation_id=job_id,
        captured_total_micros=micros,
        final=True,
        subject=subject,
    )
    await ledger.call(stub.CaptureReservation, final)


async def test_it_is_ready_without_nats_and_owners(services: Services, nats_server: Server) -> None:
    """Ready means that its own database answers; everything else may come later."""
    nats_server.kill()
    await services.start("analytics")
    peer = services.peer("analytics")
    assert await freshness(peer) == []
    async with httpx.AsyncClient(trust_env=False) as client:
        assert "scrip_analytics_events_total" in (await client.get(f"{services.ops_url('analytics')}/metrics")).text
    services.terminate("analytics")
    assert await asyncio.to_thread(services.wait, "analytics") == 0


async def test_only_services_may_ask(services: Services) -> None:
    """Freshness is told to service tokens only."""
    await services.start("analytics")
    stranger = Peer("analytics", services.address("analytics"), "scrip_svc_gateway_wrong")
    stub = analytics_pb2_grpc.AnalyticsServiceStub(stranger.channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetFreshness(analytics_pb2.GetFreshnessRequest(), timeout=5, metadata=stranger.metadata())
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
    await stranger.close()


async def test_the_real_ledgers_events_reach_the_views(services: Services, nats_server: Server) -> None:
    """What the ledger commits is seen by the analyst, by message and without, with the trace of its request."""
    await services.start("ledger", "analytics")
    ledger, database = services.peer("ledger"), services.database("analytics")
    await capture(ledger, "demo", "job_one", 1_500_000)
    rows = "SELECT kind, amount::text, job_id, tool, trace_id, labels FROM analytics.credit_movements ORDER BY position"

    def kinds() -> list[str]:
        return [row["kind"] for row in analyst_sees(database, rows)]

    await eventually(lambda: kinds() == ["granted", "reserved", "captured"])
    captured = analyst_sees(database, rows)[-1]
    assert captured == {
        "kind": "captured",
        "amount": "1.500000",
        "job_id": "job_one",
        "tool": "echo",
        "trace_id": TRACE,
        "labels": {"team": "blue"},
    }
    async with httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(f"{services.ops_url('analytics')}/metrics")).text
    assert 'scrip_analytics_commits_total{source="ledger",via="message"}' in text
    nats_server.kill()
    await capture(ledger, "other", "job_two", 250_000)
    usage = "SELECT sum(total_credits)::text AS credits FROM analytics.tool_usage_daily WHERE tool = 'echo'"
    await eventually(lambda: analyst_sees(database, usage) == [{"credits": "1.750000"}])
    stopped = "SELECT count(*) FROM analytics.source_shard WHERE stopped_reason IS NOT NULL"
    assert services.query("analytics", stopped) == [(0,)]
    told = await freshness(services.peer("analytics"))
    assert {(row.projection, row.source) for row in told} == {
        ("credit_movements", "ledger"),
        ("tool_usage_daily", "ledger"),
    }
    assert all(row.lag_seconds < 8 and row.position and row.recorded_at.seconds for row in told)


async def test_a_kill_in_the_middle_counts_nothing_twice(services: Services) -> None:
    """kill -9 while commits stream in: after a restart the views equal the ledger's log."""
    await services.start("ledger", "analytics")
    ledger, database = services.peer("ledger"), services.database("analytics")
    for number in range(30):
        await capture(ledger, f"account-{number}", f"job_{number}", 1_000)
        if number % 10 == 5:
            services.kill("analytics")
            await services.restart("analytics")
    counts = "SELECT count(*)::int AS rows, count(DISTINCT position)::int AS positions FROM analytics.credit_movements"
    await eventually(lambda: analyst_sees(database, counts) == [{"rows": 90, "positions": 90}])
    usage = "SELECT sum(total_credits)::text AS credits FROM analytics.tool_usage_daily"
    assert analyst_sees(database, usage) == [{"credits": "0.030000"}]


async def test_it_waits_for_its_database(services: Services) -> None:
    """A service that starts before its database answers becomes ready when it does, and refuses until then."""
    database = services.database("analytics")
    name = psycopg.conninfo.conninfo_to_dict(database.owner_dsn)["dbname"]

    def connections(limit: int) -> None:
        admin = psycopg.conninfo.make_conninfo(database.owner_dsn, dbname="postgres")
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT {limit}'.encode())

    connections(0)
    starting = asyncio.create_task(services.start("analytics"))
    peer = services.peer("analytics")

    async def refuses() -> bool:
        stub = analytics_pb2_grpc.AnalyticsServiceStub(peer.channel)
        try:
            await peer.call(stub.GetFreshness, analytics_pb2.GetFreshnessRequest(), attempts=1)
        except Refusal as refusal:
            return refusal.reason == "UPSTREAM_UNAVAILABLE" and refusal.metadata["dependency"] == "database"
        return False

    await eventually(refuses, seconds=20)
    assert not starting.done()
    connections(-1)
    await starting
    assert await freshness(peer) == []
