"""What an account's statement, reservations and grants are: its own for a payer, any account's for an operator."""

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from scrip.ledger.v1 import ledger_pb2

from services.gateway import answers, ledger_mapping, ledger_shapes, names, pages, queries
from services.gateway.answers import Answer
from services.gateway.auth import Doorkeeper
from services.gateway.openapi import Operation, opt
from services.gateway.peers import Ledger

ASK_SECONDS = 5.0
OWN = "/v1/account"
ANY = "/v1/admin/accounts/{account_id:str}"
_STATEMENT = (queries.KIND, queries.FROM, queries.UNTIL, queries.RESERVATION_ID, queries.GRANT_ID)
_RESERVATIONS = (queries.RESERVATION_STATE, queries.CREATED_BEFORE)
_GRANTS = (queries.GRANT_STATE,)


class Lists:
    """Asks the ledger for pages of what an account has."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def statement(self, request: Request[Any, Any, Any], account_id: str) -> Answer:
        """Entries that fit the filters."""
        query, page = queries.Query(request, _STATEMENT, paged=True), pages.of(request)
        question = ledger_pb2.ListEntriesRequest(
            account_id=account_id,
            page_size=page.size,
            page_token=page.token,
            kinds=query.words(queries.KIND, ledger_mapping.KINDS),
            reservation_id=query.text(queries.RESERVATION_ID),
            grant_id=query.text(queries.GRANT_ID),
            until=query.time(queries.UNTIL),
        )
        if begin := query.time(queries.FROM):
            # The field's name is a keyword of Python.
            getattr(question, "from").CopyFrom(begin)
        response = await self._ledger.call(self._ledger.client.list_entries, question, ASK_SECONDS)
        found = [ledger_mapping.entry(entry) for entry in response.entries]
        return answers.of(ledger_shapes.Statement(found, response.next_page_token, response.as_of_position))

    async def reservations(self, request: Request[Any, Any, Any], account_id: str) -> Answer:
        """Reservations in one state."""
        query, page = queries.Query(request, _RESERVATIONS, paged=True), pages.of(request)
        question = ledger_pb2.ListReservationsRequest(
            account_id=account_id,
            page_size=page.size,
            page_token=page.token,
            state=query.word(queries.RESERVATION_STATE, ledger_mapping.RESERVATION_STATES),
            created_before=query.time(queries.CREATED_BEFORE),
        )
        response = await self._ledger.call(self._ledger.client.list_reservations, question, ASK_SECONDS)
        found = [ledger_mapping.reservation(one) for one in response.reservations]
        return answers.of(ledger_shapes.Reservations(found, response.next_page_token, response.as_of_position))

    async def grants(self, request: Request[Any, Any, Any], account_id: str) -> Answer:
        """Grants, or those in one state."""
        query, page = queries.Query(request, _GRANTS, paged=True), pages.of(request)
        question = ledger_pb2.ListGrantsRequest(
            account_id=account_id,
            page_size=page.size,
            page_token=page.token,
            state=query.word(queries.GRANT_STATE, ledger_mapping.GRANT_STATES),
        )
        response = await self._ledger.call(self._ledger.client.list_grants, question, ASK_SECONDS)
        found = [ledger_mapping.grant(one) for one in response.grants]
        return answers.of(ledger_shapes.Grants(found, response.next_page_token, response.as_of_position))


def own_handlers(doorkeeper: Doorkeeper, lists: Lists) -> list[HTTPRouteHandler]:
    """The lists of the caller's own account."""

    @get(f"{OWN}/statement", opt=_opt("Entries", ledger_shapes.Statement, _STATEMENT, OWN))
    async def list_entries(request: Request[Any, Any, Any]) -> Answer:
        payer = await doorkeeper.payer(request)
        return await lists.statement(request, payer.account_id)

    @get(f"{OWN}/reservations", opt=_opt("Reservations", ledger_shapes.Reservations, _RESERVATIONS, OWN))
    async def list_reservations(request: Request[Any, Any, Any]) -> Answer:
        payer = await doorkeeper.payer(request)
        return await lists.reservations(request, payer.account_id)

    @get(f"{OWN}/grants", opt=_opt("Grants", ledger_shapes.Grants, _GRANTS, OWN))
    async def list_grants(request: Request[Any, Any, Any]) -> Answer:
        payer = await doorkeeper.payer(request)
        return await lists.grants(request, payer.account_id)

    return [list_entries, list_reservations, list_grants]


def any_handlers(doorkeeper: Doorkeeper, lists: Lists) -> list[HTTPRouteHandler]:
    """The lists of any account, for operators."""

    @get(f"{ANY}/statement", opt=_opt("Entries", ledger_shapes.Statement, _STATEMENT, ANY))
    async def list_any_entries(request: Request[Any, Any, Any], account_id: FromPath[str]) -> Answer:
        await doorkeeper.admin(request)
        return await lists.statement(request, names.account_id(account_id))

    @get(f"{ANY}/reservations", opt=_opt("Reservations", ledger_shapes.Reservations, _RESERVATIONS, ANY))
    async def list_any_reservations(request: Request[Any, Any, Any], account_id: FromPath[str]) -> Answer:
        await doorkeeper.admin(request)
        return await lists.reservations(request, names.account_id(account_id))

    @get(f"{ANY}/grants", opt=_opt("Grants", ledger_shapes.Grants, _GRANTS, ANY))
    async def list_any_grants(request: Request[Any, Any, Any], account_id: FromPath[str]) -> Answer:
        await doorkeeper.admin(request)
        return await lists.grants(request, names.account_id(account_id))

    return [list_any_entries, list_any_reservations, list_any_grants]


_ORDER = {
    "Entries": "newest first",
    "Reservations": "oldest first; open ones, unless another state is asked for",
    "Grants": "newest first, those that ended too",
}


def _opt(what: str, shape: type[msgspec.Struct], parameters: Sequence[queries.Parameter], path: str) -> dict[str, Any]:
    own = path == OWN
    return opt(
        Operation(
            f"{what} of {'the' if own else 'an'} account, {_ORDER[what]}",
            "account" if own else "accounts",
            {200: shape},
            query=parameters,
            paged=True,
            problems=["REQUEST_INVALID", "ACCOUNT_NOT_FOUND", "ACCOUNT_REQUIRED" if own else "FORBIDDEN"],
        )
    )
