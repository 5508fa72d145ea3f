"""The two query parameters of every list."""

from dataclasses import dataclass
from typing import Any

from litestar import Request

from services.runtime.errors import invalid

SIZE_DEFAULT = 50
SIZE_MAX = 200
TOKEN_LENGTH_MAX = 2_048
SIZE_SCHEMA = {"type": "integer", "minimum": 1, "maximum": SIZE_MAX, "default": SIZE_DEFAULT}
TOKEN_SCHEMA = {"type": "string", "maxLength": TOKEN_LENGTH_MAX}


@dataclass(frozen=True, slots=True)
class Page:
    """Which page of a list is asked for. `token` is opaque and comes from the answer before."""

    size: int
    token: str


def of(request: Request[Any, Any, Any]) -> Page:
    """The page a request asks for; raises REQUEST_INVALID."""
    query = request.query_params
    text = query.get("page_size", str(SIZE_DEFAULT))
    if not (text.isascii() and text.isdecimal()) or len(text) > 4 or not 1 <= int(text) <= SIZE_MAX:
        raise invalid("page_size", f"must be a whole number from 1 to {SIZE_MAX}")
    token = query.get("page_token", "")
    if len(token) > TOKEN_LENGTH_MAX or not token.isascii() or not token.isprintable():
        raise invalid("page_token", "is not one that was given out")
    return Page(int(text), token)
