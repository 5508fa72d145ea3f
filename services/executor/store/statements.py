"""One statement over many parameter sets, in one round trip."""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

Connection = psycopg.AsyncConnection[tuple[object, ...]]


async def each(connection: Connection, statement: str, parameters: Sequence[Mapping[str, Any]]) -> list[Any | None]:
    """The first row each parameter set returns, or None where it returns none; in their order."""
    if not parameters:
        return []
    if len(parameters) == 1:
        # One statement needs no pipeline around it.
        return [await (await connection.execute(statement.encode(), parameters[0])).fetchone()]
    found: list[Any | None] = []
    async with connection.cursor() as cursor:
        await cursor.executemany(statement.encode(), parameters, returning=True)
        while True:
            found.append(await cursor.fetchone())
            if not cursor.nextset():
                return found


async def run_each(connection: Connection, statement: str, parameters: Sequence[Mapping[str, Any]]) -> None:
    """Runs the statement with each parameter set."""
    if len(parameters) == 1:
        await connection.execute(statement.encode(), parameters[0])
    elif parameters:
        async with connection.cursor() as cursor:
            await cursor.executemany(statement.encode(), parameters)
