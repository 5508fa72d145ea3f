"""Shorthand for calling the ledger in tests."""

from collections.abc import AsyncGenerator
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from scrip.ledger.v1 import events_pb2, ledger_pb2, ledger_pb2_grpc

from services.runtime import clock, ids
from services.runtime.grpc_client import Peer

PROMOTION = events_pb2.GRANT_SOURCE_PROMOTION


def ahead(seconds: float) -> Timestamp:
    """A time so many seconds from now."""
    return moment(clock.now_us() + int(seconds * clock.MICROS_PER_SECOND))


def moment(micros: int) -> Timestamp:
    """Microseconds since the Unix epoch."""
    stamp = Timestamp()
    stamp.FromMicroseconds(micros)
    return stamp


class LedgerClient:
    """One caller; every method takes the fields it does not default, and raises Refusal."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.stub = ledger_pb2_grpc.LedgerServiceStub(peer.channel)

    async def ask(self, method: str, **fields: Any) -> Any:
        """Any method, by name."""
        request = getattr(ledger_pb2, f"{method}Request")(**fields)
        return await self.peer.call(getattr(self.stub, method), request, timeout=20, attempts=20)

    async def command(self, method: str, account_id: str, **fields: Any) -> Any:
        """Any command, by name; with a request id of its own unless one is given."""
        fields.setdefault("request_id", ids.uuid7())
        return await self.ask(method, account_id=account_id, **fields)

    def stream(self, method: str, **fields: Any) -> AsyncGenerator[Any, None]:
        """The answers of a method that streams, by name."""
        request = getattr(ledger_pb2, f"{method}Request")(**fields)
        return self.peer.stream(getattr(self.stub, method), request, timeout=30)

    async def open(self, account_id: str, **fields: Any) -> Any:
        """OpenAccount."""
        return await self.command("OpenAccount", account_id, **fields)

    async def grant(self, account_id: str, amount: int, **fields: Any) -> Any:
        """GrantCredits, a promotion."""
        fields.setdefault("source", PROMOTION)
        return await self.command("GrantCredits", account_id, amount_micros=amount, **fields)

    async def reserve(
        self, account_id: str, reservation_id: str, amount: int, seconds: int = 600, **fields: Any
    ) -> Any:
        """ReserveCredits."""
        fields |= {"reservation_id": reservation_id, "amount_micros": amount, "ttl": Duration(seconds=seconds)}
        return await self.command("ReserveCredits", account_id, **fields)

    async def capture(self, account_id: str, reservation_id: str, total: int, final: bool = True, **fields: Any) -> Any:
        """CaptureReservation."""
        fields |= {"reservation_id": reservation_id, "captured_total_micros": total, "final": final}
        return await self.command("CaptureReservation", account_id, **fields)

    async def release(self, account_id: str, reservation_id: str, **fields: Any) -> Any:
        """ReleaseReservation."""
        return await self.command("ReleaseReservation", account_id, reservation_id=reservation_id, **fields)

    async def balance(self, account_id: str, **fields: Any) -> Any:
        """The credits of an account."""
        return (await self.ask("GetBalance", account_id=account_id, **fields)).credits

    async def reservation(self, account_id: str, reservation_id: str) -> Any:
        """One reservation."""
        return (await self.ask("GetReservation", account_id=account_id, reservation_id=reservation_id)).reservation

    async def events(self) -> list[events_pb2.EventBatch]:
        """Every commit of every shard."""
        return [response.batch async for response in self.stream("ReadEvents")]
