"""The logs that are followed: their owners, how their commits look and how to ask for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from scrip.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from scrip.catalog.v1 import events_pb2 as catalog_events
from scrip.executor.v1 import events_pb2 as executor_events
from scrip.executor.v1 import executor_pb2, executor_pb2_grpc
from scrip.ledger.v1 import events_pb2 as ledger_events
from scrip.ledger.v1 import ledger_pb2, ledger_pb2_grpc


@dataclass(frozen=True, slots=True)
class Source:
    """One owner's log. The three protos declare the same messages, each for itself."""

    name: str
    batch_type: type[Any]
    api: Any
    """The module with ReadEventsRequest and ShardCursor."""
    stub_type: type[Any]

    def request(self, cursors: Mapping[int, int]) -> Any:
        """A ReadEventsRequest for what follows `cursors` (shard → last commit one has) up to now."""
        return self.api.ReadEventsRequest(
            cursors=[self.api.ShardCursor(shard=shard, after_seq=seq) for shard, seq in sorted(cursors.items())],
            follow=False,
        )

    def read_events(self, channel: grpc.aio.Channel) -> Any:
        """The owner's ReadEvents on a channel."""
        return self.stub_type(channel).ReadEvents


SOURCES: Mapping[str, Source] = {
    source.name: source
    for source in (
        Source("ledger", ledger_events.EventBatch, ledger_pb2, ledger_pb2_grpc.LedgerServiceStub),
        Source("catalog", catalog_events.EventBatch, catalog_pb2, catalog_pb2_grpc.CatalogServiceStub),
        Source("executor", executor_events.EventBatch, executor_pb2, executor_pb2_grpc.ExecutorServiceStub),
    )
}
