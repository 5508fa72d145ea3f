"""AnalyticsService over gRPC."""

from typing import Any

from scrip.analytics.v1 import analytics_pb2, analytics_pb2_grpc

from services.analytics import freshness
from services.runtime.postgres import Pool, outage_refused


class AnalyticsServicer(analytics_pb2_grpc.AnalyticsServiceServicer):
    """Answers how far the projections are; everything else is SQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def GetFreshness(  # noqa: N802 (the proto's name)
        self, request: analytics_pb2.GetFreshnessRequest, context: Any
    ) -> analytics_pb2.GetFreshnessResponse:
        """One row per projection and shard of each of its sources."""
        async with outage_refused():
            found = await freshness.read(self._pool)
        return analytics_pb2.GetFreshnessResponse(
            projections=[
                analytics_pb2.Freshness(
                    projection=row.projection,
                    position=row.position,
                    lag_seconds=row.lag_seconds,
                    recorded_at=row.recorded_at,
                    source=row.source,
                    stopped_reason=row.stopped_reason,
                )
                for row in found
            ]
        )
