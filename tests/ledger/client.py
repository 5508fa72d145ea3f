"""Shorthand for calling the ledger in tests."""

from typing import Any

from google.protobuf.duration_pb2 import Duration
from scrip.ledger.v1 import events_pb2, ledger_pb2, ledger_pb2_grpc

from services.runtime import ids
from tests.harness.processes import Services


class LedgerClient:
    """One caller; every method takes the fields it does not default, and raises Refusal."""

    def __init__(self, services: Services) -> None:
        self.peer = services.peer("ledger")
        self.stub = ledger_pb2_grpc.LedgerServiceStub(self.peer.channel)

    async def open(self, account_id: str, **fields: Any) -> Any:
        """OpenAccount."""
        return await self._call(self.stub.OpenAccount, ledger_pb2.OpenAccountRequest, account_id=account_id, **fields)

    async def grant(self, account_id: str, amount: int, **fields: Any) -> Any:
        """GrantCredits, a promotion."""
        fields.setdefault("source", events_pb2.GRANT_SOURCE_PROMOTION)
        request = ledger_pb2.GrantCreditsRequest
        return await self._call(self.stub.GrantCredits, request, account_id=account_id, amount_micros=amount, **fields)

    async def reserve(
        self, account_id: str, reservation_id: str, amount: int, seconds: int = 600, **fields: Any
    ) -> Any:
        """ReserveCredits."""
        return await self._call(
            self.stub.ReserveCredits,
            ledger_pb2.ReserveCreditsRequest,
            account_id=account_id,
            reservation_id=reservation_id,
            amount_micros=amount,
            ttl=Duration(seconds=seconds),
            **fields,
        )

    async def capture(self, account_id: str, reservation_id: str, total: int, final: bool = True, **fields: Any) -> Any:
        """CaptureReservation."""
        return await self._call(
            self.stub.CaptureReservation,
            ledger_pb2.CaptureReservationRequest,
            account_id=account_id,
            reservation_id=reservation_id,
            captured_total_micros=total,
            final=final,
            **fields,
        )

    async def release(self, account_id: str, reservation_id: str, **fields: Any) -> Any:
        """ReleaseReservation."""
        return await self._call(
            self.stub.ReleaseReservation,
            ledger_pb2.ReleaseReservationRequest,
            account_id=account_id,
            reservation_id=reservation_id,
            **fields,
        )

    async def balance(self, account_id: str) -> Any:
        """The credits of an account."""
        answer = await self.peer.call(self.stub.GetBalance, ledger_pb2.GetBalanceRequest(account_id=account_id))
        return answer.credits

    async def reservation(self, account_id: str, reservation_id: str) -> Any:
        """One reservation."""
        request = ledger_pb2.GetReservationRequest(account_id=account_id, reservation_id=reservation_id)
        return (await self.peer.call(self.stub.GetReservation, request)).reservation

    async def events(self) -> list[events_pb2.EventBatch]:
        """Every commit of every shard."""
        stream = self.peer.stream(self.stub.ReadEvents, ledger_pb2.ReadEventsRequest(), timeout=30)
        return [response.batch async for response in stream]

    async def _call(self, method: Any, request_type: Any, **fields: Any) -> Any:
        fields.setdefault("request_id", ids.uuid7())
        return await self.peer.call(method, request_type(**fields), timeout=20, attempts=20)
