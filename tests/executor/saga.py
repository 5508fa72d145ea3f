"""The gateway's part of an execute, step by step, against real services."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from google.protobuf.duration_pb2 import Duration
from scrip.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from scrip.executor.v1 import events_pb2, executor_pb2, executor_pb2_grpc
from scrip.ledger.v1 import events_pb2 as ledger_events_pb2
from scrip.ledger.v1 import ledger_pb2, ledger_pb2_grpc

from services.runtime import ids
from services.runtime.errors import Refusal
from tests.harness.processes import Services
from tests.harness.waiting import eventually

MICROS = 1_000_000


class Saga:
    """Calls of ledger, catalog and executor as the gateway makes them."""

    def __init__(self, services: Services, executor: str = "executor") -> None:
        self.services = services
        self.ledger = services.peer("ledger")
        self.catalog = services.peer("catalog")
        self.executor = services.peer(executor)
        self.ledger_stub: Any = ledger_pb2_grpc.LedgerServiceStub(self.ledger.channel)
        self.catalog_stub: Any = catalog_pb2_grpc.CatalogServiceStub(self.catalog.channel)
        self.executor_stub: Any = executor_pb2_grpc.ExecutorServiceStub(self.executor.channel)

    async def account(self, account_id: str, credits: int = 1_000) -> None:
        """An account with so many credits."""
        opened = ledger_pb2.OpenAccountRequest(request_id=ids.uuid7(), account_id=account_id)
        await self.ledger.call(self.ledger_stub.OpenAccount, opened)
        granted = ledger_pb2.GrantCreditsRequest(
            request_id=ids.uuid7(),
            account_id=account_id,
            amount_micros=credits * MICROS,
            source=ledger_events_pb2.GRANT_SOURCE_PROMOTION,
        )
        await self.ledger.call(self.ledger_stub.GrantCredits, granted)

    async def quote(
        self, account_id: str, tool: str, given: dict[str, Any], files: Sequence[catalog_pb2.InputFile] = ()
    ) -> catalog_pb2.Quote:
        """A quote, as soon as an executor has said that it can run the tool."""

        async def ask() -> catalog_pb2.Quote | None:
            request = catalog_pb2.QuotePriceRequest(
                account_id=account_id, tool=tool, input_json=json.dumps(given).encode(), files=files
            )
            try:
                quoted: catalog_pb2.QuotePriceResponse = await self.catalog.call(self.catalog_stub.QuotePrice, request)
            except Refusal as refusal:
                if refusal.reason != "TOOL_UNAVAILABLE":
                    raise
                return None
            return quoted.quote

        found: catalog_pb2.Quote = await eventually(ask, 20)
        return found

    async def reserve(self, quote: catalog_pb2.Quote, ttl_seconds: int = 60) -> None:
        """Reserves what a quote costs at most."""
        request = ledger_pb2.ReserveCreditsRequest(
            request_id=ids.uuid7(),
            account_id=quote.account_id,
            reservation_id=quote.job_id,
            amount_micros=quote.amount_max_micros,
            ttl=Duration(seconds=ttl_seconds),
        )
        await self.ledger.call(self.ledger_stub.ReserveCredits, request)

    async def release(self, account_id: str, reservation_id: str) -> None:
        """Ends a reservation under its job."""
        request = ledger_pb2.ReleaseReservationRequest(
            request_id=ids.uuid7(), account_id=account_id, reservation_id=reservation_id
        )
        await self.ledger.call(self.ledger_stub.ReleaseReservation, request)

    async def submit(
        self, quote: catalog_pb2.Quote, given: dict[str, Any], **members: Any
    ) -> executor_pb2.SubmitJobResponse:
        """Hands a job to the executor."""
        request = executor_pb2.SubmitJobRequest(quote=quote, input_json=json.dumps(given).encode(), **members)
        return await self.executor.call(self.executor_stub.SubmitJob, request, timeout=10)

    async def begin(self, account_id: str, given: dict[str, Any], tool: str = "echo", **members: Any) -> str:
        """Quote, reserve, submit; answers the job's id."""
        quote = await self.quote(account_id, tool, given)
        await self.reserve(quote)
        await self.submit(quote, given, **members)
        return quote.job_id

    async def running(self, account_id: str, job_id: str) -> executor_pb2.Job:
        """The job once it runs."""

        async def runs() -> executor_pb2.Job | None:
            job = await self.job(account_id, job_id)
            return job if job.state == executor_pb2.Job.STATE_RUNNING else None

        job: executor_pb2.Job = await eventually(runs, 20)
        return job

    async def cancel(self, account_id: str, job_id: str) -> executor_pb2.Job:
        """Cancels a job; answers it as it is then."""
        request = executor_pb2.CancelJobRequest(account_id=account_id, job_id=job_id, key_id="key9")
        canceled: executor_pb2.CancelJobResponse = await self.executor.call(self.executor_stub.CancelJob, request)
        return canceled.job

    async def job(self, account_id: str, job_id: str) -> executor_pb2.Job:
        """The job as it is."""
        request = executor_pb2.GetJobRequest(account_id=account_id, job_id=job_id)
        found: executor_pb2.GetJobResponse = await self.executor.call(self.executor_stub.GetJob, request)
        return found.job

    async def watch(self, account_id: str, job_id: str, seconds: float = 20) -> list[executor_pb2.Job]:
        """All that a follower is told."""
        request = executor_pb2.WatchJobRequest(account_id=account_id, job_id=job_id)
        told = self.executor.stream(self.executor_stub.WatchJob, request, seconds)
        return [message.job async for message in told]

    async def settled(self, account_id: str, job_id: str, seconds: float = 40) -> executor_pb2.Job:
        """The job when it has ended and is settled; also over restarts of the executor."""

        async def is_over() -> executor_pb2.Job | None:
            try:
                job = await self.job(account_id, job_id)
            except Refusal:
                return None
            return job if job.settlement != executor_pb2.Job.SETTLEMENT_PENDING else None

        job: executor_pb2.Job = await eventually(is_over, seconds, f"{job_id} is not settled")
        return job

    async def events(self) -> AsyncIterator[events_pb2.Event]:
        """All of the executor's, in order of the shards."""
        request = executor_pb2.ReadEventsRequest()
        async for message in self.executor.stream(self.executor_stub.ReadEvents, request, 10):
            for event in message.batch.events:
                yield event

    async def credits(self, account_id: str) -> ledger_pb2.Credits:
        """The account's credits; the equation that always holds is looked at on the way."""
        request = ledger_pb2.GetBalanceRequest(account_id=account_id)
        balance: ledger_pb2.GetBalanceResponse = await self.ledger.call(self.ledger_stub.GetBalance, request)
        credits = balance.credits
        parts = (
            credits.available_micros
            + credits.reserved_micros
            + credits.spent_micros
            + credits.expired_micros
            + credits.voided_micros
        )
        assert credits.granted_micros == parts
        return credits
