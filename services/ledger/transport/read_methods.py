"""The methods of LedgerService that read; no one of them changes anything."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
from scrip.ledger.v1 import events_pb2, ledger_pb2

from services.ledger.application.ledger import Freshness
from services.ledger.application.proof.verify import verify_shard
from services.ledger.application.reads.past import Moment, ahead_of_log
from services.ledger.application.reads.reads import Reads
from services.ledger.application.reads.statements import Period
from services.ledger.application.reads.totals import totals_of
from services.ledger.domain.account import GrantState, ReservationState
from services.ledger.domain.postings import Book
from services.ledger.store.entry_pages import END, Filter
from services.ledger.transport import answers
from services.ledger.transport import validation as check
from services.ledger.transport.status import told
from services.runtime import event_log, pages
from services.runtime.errors import invalid

Context = grpc.aio.ServicerContext[Any, Any]
NAMES_MAX = 500
_NO_STATE = {0: "none"}
_KINDS = {value: name for name, value in events_pb2.EventKind.items() if value}
_GRANT_STATES = _NO_STATE | {state.value: state.name for state in GrantState}
_RESERVATION_STATES = _NO_STATE | {state.value: state.name for state in ReservationState}


class ReadMethods:
    """Lists are pages; their tokens fit the same list only."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    async def GetAccount(  # noqa: N802
        self, request: ledger_pb2.GetAccountRequest, context: Context
    ) -> ledger_pb2.GetAccountResponse:
        """One account."""
        account_id = check.account_id(request.account_id)
        with told():
            found = await self._reads.ledger.account(account_id)
        response = ledger_pb2.GetAccountResponse()
        answers.fill_account(response.account, found)
        return response

    async def GetBalance(  # noqa: N802
        self, request: ledger_pb2.GetBalanceRequest, context: Context
    ) -> ledger_pb2.GetBalanceResponse:
        """An account's credits, now or as they were."""
        account_id = check.account_id(request.account_id)
        check.at_most_one(
            min_position=bool(request.min_position),
            stale_ok=request.stale_ok,
            at=request.HasField("at"),
            at_position=bool(request.at_position),
        )
        shard = self._reads.ledger.shard_number(account_id)
        with told():
            if request.HasField("at"):
                found = await self._reads.past.at_time(account_id, check.moment("at", request.at))
            elif request.at_position:
                position = check.position("at_position", request.at_position, shard)
                found = await self._reads.past.at_position(account_id, position)
            else:
                found = await self._present(request, shard)
        response = ledger_pb2.GetBalanceResponse(position=f"{shard}:{found.position}")
        answers.fill_moment(response, found)
        return response

    async def _present(self, request: ledger_pb2.GetBalanceRequest, shard: int) -> Moment:
        least = check.position("min_position", request.min_position, shard) if request.min_position else 0
        freshness = Freshness(least, request.stale_ok)
        account, balance, position, at = await self._reads.ledger.balance(request.account_id, freshness)
        reached = int(position.partition(":")[2])
        if reached < least:
            raise ahead_of_log("min_position", shard, least, reached)
        return Moment(account, balance, reached, at)

    async def GetReservation(  # noqa: N802
        self, request: ledger_pb2.GetReservationRequest, context: Context
    ) -> ledger_pb2.GetReservationResponse:
        """One reservation."""
        account_id = check.account_id(request.account_id)
        reservation_id = check.visible("reservation_id", request.reservation_id)
        with told():
            found = await self._reads.reservations.one(account_id, reservation_id)
        response = ledger_pb2.GetReservationResponse()
        answers.fill_told_reservation(response.reservation, account_id, found)
        return response

    async def ListReservations(  # noqa: N802
        self, request: ledger_pb2.ListReservationsRequest, context: Context
    ) -> ledger_pb2.ListReservationsResponse:
        """Open ones, oldest first, or ended ones, in the order in which they ended."""
        account_id = check.account_id(request.account_id)
        state = ReservationState(check.one_of("state", request.state, _RESERVATION_STATES) or ReservationState.OPEN)
        before = check.moment("created_before", request.created_before) if request.HasField("created_before") else END
        size, this_list = pages.size_of(request.page_size), check.list_of(request)
        reservations = self._reads.reservations
        with told():
            if state is ReservationState.OPEN:
                made_at, last_id = pages.place(request.page_token, this_list, int, str) or (0, "")
                found, as_of = await reservations.open(account_id, (int(made_at), str(last_id)), before, size + 1)
            else:
                (after,) = pages.place(request.page_token, this_list, int) or (0,)
                found, as_of = await reservations.ended(account_id, state, int(after), before, size + 1)
        response = ledger_pb2.ListReservationsResponse(as_of_position=as_of)
        for one in found[:size]:
            answers.fill_told_reservation(response.reservations.add(), account_id, one)
        if len(found) > size:
            response.next_page_token = pages.token(this_list, *found[size - 1].place)
        return response

    async def BatchGetReservations(  # noqa: N802
        self, request: ledger_pb2.BatchGetReservationsRequest, context: Context
    ) -> ledger_pb2.BatchGetReservationsResponse:
        """Those of many reservations that there are."""
        if not 1 <= len(request.names) <= NAMES_MAX:
            message = f"must be 1 to {NAMES_MAX}, not {len(request.names)}"
            raise invalid("names", message, limit=NAMES_MAX, value=len(request.names))
        names = [
            (check.account_id(name.account_id), check.visible("reservation_id", name.reservation_id))
            for name in request.names
        ]
        with told():
            found = await self._reads.reservations.many(names)
        response = ledger_pb2.BatchGetReservationsResponse()
        for account_id, one in found:
            answers.fill_told_reservation(response.reservations.add(), account_id, one)
        return response

    async def ListOpenReservations(  # noqa: N802
        self, request: ledger_pb2.ListOpenReservationsRequest, context: Context
    ) -> ledger_pb2.ListOpenReservationsResponse:
        """What all accounts have open, by shard, account and id."""
        before = check.moment("created_before", request.created_before) if request.HasField("created_before") else END
        size, this_list = pages.size_of(request.page_size), check.list_of(request)
        shard, account_id, last_id = pages.place(request.page_token, this_list, int, str, str) or (0, "", "")
        after = (max(int(shard), 0), str(account_id), str(last_id))
        with told():
            found = await self._reads.reservations.open_of_all(after, before, size + 1)
        response = ledger_pb2.ListOpenReservationsResponse()
        for place, one in found[:size]:
            answers.fill_told_reservation(response.reservations.add(), place[1], one)
        if len(found) > size:
            response.next_page_token = pages.token(this_list, *found[size - 1][0])
        return response

    async def ListGrants(  # noqa: N802
        self, request: ledger_pb2.ListGrantsRequest, context: Context
    ) -> ledger_pb2.ListGrantsResponse:
        """Newest first, dead ones too."""
        account_id = check.account_id(request.account_id)
        wanted = check.one_of("state", request.state, _GRANT_STATES)
        size, this_list = pages.size_of(request.page_size), check.list_of(request)
        (before,) = pages.place(request.page_token, this_list, int) or (END,)
        state = GrantState(wanted) if wanted else None
        with told():
            found, as_of = await self._reads.grants.page(account_id, state, int(before), size + 1)
        response = ledger_pb2.ListGrantsResponse(as_of_position=as_of)
        for one in found[:size]:
            answers.fill_told_grant(response.grants.add(), one)
        if len(found) > size:
            response.next_page_token = pages.token(this_list, found[size - 1].position)
        return response

    async def ListEntries(  # noqa: N802
        self, request: ledger_pb2.ListEntriesRequest, context: Context
    ) -> ledger_pb2.ListEntriesResponse:
        """A page of a statement."""
        account_id = check.account_id(request.account_id)
        size, this_list = pages.size_of(request.page_size), check.list_of(request)
        (before,) = pages.place(request.page_token, this_list, int) or (END,)
        which = Filter(
            kinds=tuple(sorted({check.one_of("kinds", kind, _KINDS) for kind in request.kinds})),
            reservation_id=check.visible("reservation_id", request.reservation_id) if request.reservation_id else "",
            grant_id=check.visible("grant_id", request.grant_id) if request.grant_id else "",
            before=int(before),
        )
        with told():
            found = await self._reads.statements.page(account_id, which, size + 1, _period(request))
        response = ledger_pb2.ListEntriesResponse(as_of_position=found.as_of)
        shard = self._reads.ledger.shard_number(account_id)
        for entry in found.entries[:size]:
            answers.fill_entry(response.entries.add(), shard, entry)
        if len(found.entries) > size:
            response.next_page_token = pages.token(this_list, found.entries[size - 1].position)
        return response

    async def ExplainBalance(  # noqa: N802
        self, request: ledger_pb2.ExplainBalanceRequest, context: Context
    ) -> ledger_pb2.ExplainBalanceResponse:
        """How a balance came to be, or what became of a command."""
        account_id = check.account_id(request.account_id)
        check.at_most_one(at_position=bool(request.at_position), request_id=bool(request.request_id))
        size = pages.size_of(request.page_size)
        shard = self._reads.ledger.shard_number(account_id)
        explain = self._reads.explain
        with told():
            if request.request_id:
                found = await explain.request(account_id, check.visible("request_id", request.request_id))
            else:
                at = check.position("at_position", request.at_position, shard) if request.at_position else 0
                found = await explain.balance(account_id, at, size)
        response = ledger_pb2.ExplainBalanceResponse(summary=found.summary, as_of_position=found.as_of)
        for entry in found.entries:
            answers.fill_entry(response.entries.add(), shard, entry)
        if found.balance is not None:
            answers.fill_credits(response.credits, found.balance)
            for grant in found.balance.grants:
                answers.fill_grant(response.grants.add(), account_id, grant)
        return response

    async def WatchBalance(  # noqa: N802
        self, request: ledger_pb2.WatchBalanceRequest, context: Context
    ) -> AsyncIterator[ledger_pb2.WatchBalanceResponse]:
        """The balance, and again after each change."""
        account_id = check.account_id(request.account_id)
        with told():
            async with contextlib.aclosing(self._reads.watch.balances(account_id)) as balances:
                async for balance, position in balances:
                    response = ledger_pb2.WatchBalanceResponse(position=position)
                    answers.fill_credits(response.credits, balance)
                    yield response

    async def GetTotals(  # noqa: N802
        self, request: ledger_pb2.GetTotalsRequest, context: Context
    ) -> ledger_pb2.GetTotalsResponse:
        """What every book holds."""
        totals = await totals_of(self._reads.ledger)
        return ledger_pb2.GetTotalsResponse(
            available_micros=totals.books[Book.AVAILABLE],
            reserved_micros=totals.books[Book.RESERVED],
            revenue_micros=totals.books[Book.REVENUE],
            breakage_micros=totals.books[Book.BREAKAGE],
            transit_micros=totals.books[Book.TRANSIT],
            issuance_micros=totals.books[Book.ISSUANCE],
            positions=totals.positions,
        )

    async def VerifyLog(  # noqa: N802
        self, request: ledger_pb2.VerifyLogRequest, context: Context
    ) -> ledger_pb2.VerifyLogResponse:
        """Whether one shard's log, its books and its entries are as they must be."""
        self._check_shard("shard", request.shard)
        found = await verify_shard(self._reads.pool, request.shard)
        return ledger_pb2.VerifyLogResponse(commits=found.commits, events=found.events, problems=found.problems)

    async def ReadEvents(  # noqa: N802
        self, request: ledger_pb2.ReadEventsRequest, context: Context
    ) -> AsyncIterator[ledger_pb2.ReadEventsResponse]:
        """Commits from where the caller stands."""
        for cursor in request.cursors:
            self._check_shard("cursors", cursor.shard)
        cursors = {cursor.shard: cursor.after_seq for cursor in request.cursors}
        appended = self._reads.ledger.followers_signal
        async for row in event_log.follow(self._reads.pool, cursors, request.follow, appended):
            yield ledger_pb2.ReadEventsResponse(batch=events_pb2.EventBatch.FromString(row.body), hash=row.hash)

    def _check_shard(self, field: str, shard: int) -> None:
        if shard >= self._reads.ledger.shards:
            raise invalid(field, f"there is no shard {shard}", limit=self._reads.ledger.shards - 1, value=shard)


def _period(request: ledger_pb2.ListEntriesRequest) -> Period:
    # `from` is a word of Python's own.
    start = check.moment("from", getattr(request, "from")) if request.HasField("from") else 0
    end = check.moment("until", request.until) if request.HasField("until") else 0
    if start and end and start >= end:
        raise invalid("until", "must lie after from", start=start, end=end)
    return Period(start, end)
