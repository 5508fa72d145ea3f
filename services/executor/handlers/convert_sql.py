"""SQL of one database in the words of another, by sqlglot. Its parser retries, so time is bounded."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from services.executor.material.deadline import deadline
from services.executor.material.errors import ToolError

if TYPE_CHECKING:
    from sqlglot.errors import ParseError, TokenError

SECONDS_MAX = 10
WARNINGS_MAX = 20
WARNING_CHARS_MAX = 300
WORD_CHARS_MAX = 50
# The tokenizer tells where a string begins that does not end: the line it has come to, and the place in the text.
_OPENED_AT = re.compile(r"from \d+:(\d+)$")


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """The statements of `sql` in the dialect `to`, and what could not be carried over.

    Raises SQL_INVALID with line and column, SQL_EMPTY, SQL_TOO_DEEP and TOO_SLOW.
    """
    import sqlglot
    from sqlglot.errors import ParseError, SqlglotError, TokenError

    sql, source, target, is_pretty = input["sql"], input["from"], input["to"], input.get("pretty", True)
    try:
        with deadline(SECONDS_MAX, "the SQL"), _warnings() as warnings:
            statements = [one for one in sqlglot.transpile(sql, read=source, write=target, pretty=is_pretty) if one]
    except RecursionError as error:
        raise ToolError("SQL_TOO_DEEP", "sql: it is nested too deeply; some 30 levels are taken") from error
    except TokenError as error:
        raise _at(*_unended(sql, error), "a string, name or comment does not end") from error
    except SqlglotError as error:
        if isinstance(error, ParseError) and error.errors:
            raise _unread(error, source) from error
        raise ToolError("SQL_INVALID", f"sql: it cannot be converted from {source} to {target}") from error
    if not statements:
        raise ToolError("SQL_EMPTY", "sql: there is no statement in it; at least 1 is needed")
    return {"statements": statements, "warnings": list(dict.fromkeys(warnings))[:WARNINGS_MAX]}


def _at(line: int, column: int, what: str) -> ToolError:
    return ToolError("SQL_INVALID", f"sql: line {line}, column {column}: {what}")


def _unread(error: "ParseError", dialect: str) -> ToolError:
    """The first thing that cannot be read, at its beginning."""
    found = error.errors[0]
    word = str(found["highlight"] or "")
    line, column = int(found["line"] or 1), int(found["col"] or 1)
    if "\n" not in word:
        # sqlglot counts to the end of the word.
        column = max(column - len(word) + 1, 1)
    # What it expected, without the names of its own classes.
    expected = str(found["description"]).partition(" but got <")[0]
    what = f"{word[:WORD_CHARS_MAX]!r} cannot be read as {dialect}"
    return _at(line, column, what if "<" in expected else f"{what}: {expected}")


def _unended(sql: str, error: "TokenError") -> tuple[int, int]:
    """Line and column of what does not end, from 1; where that is not known, of the end."""
    opened = _OPENED_AT.search(str(error.__cause__))
    place = int(opened[1]) if opened else len(sql)
    return sql.count("\n", 0, place) + 1, place - sql.rfind("\n", 0, place)


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """What sqlglot logs meanwhile: parts that the other dialect does not have, and statements it does not know."""
    messages: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage()[:WARNING_CHARS_MAX])  # type: ignore[method-assign]
    logger = logging.getLogger("sqlglot")
    logger.addHandler(handler)
    try:
        yield messages
    finally:
        logger.removeHandler(handler)
