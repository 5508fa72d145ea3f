"""What can be put on the wire. A request that cannot is told before it is sent: nothing of it is the provider's doing.
Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import httpx

from services.runtime import templates

# RFC 9110: a token, and what all servers take of a field's value.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"(?:[!-~](?:[\t -~]*[!-~])?)?")
_INPUT = re.compile(r"\binput\b")


class UnsendableError(Exception):
    """A request that cannot be sent; the text says what of it, for the caller if that is `of_input`."""

    def __init__(self, text: str, *, of_input: bool = False) -> None:
        super().__init__(text)
        self.of_input = of_input


def looks_at_input(template: Any) -> bool:
    """Whether what a template becomes depends on what the caller gave."""
    return any(_INPUT.search(expression) for expression in templates.expressions(template))


def check_headers(headers: Mapping[str, str], of_input: Iterable[str] = ()) -> None:
    """Raises UnsendableError; `of_input` are the names of those that depend on the input."""
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise UnsendableError(f"{name!r:.60} is no name of a header")
        check_value(value, f"the header {name}", of_input=name in of_input)


def check_value(value: str, what: str, *, of_input: bool) -> None:
    """Raises UnsendableError for what no header can hold, also no header of a part of a body."""
    if not _VALUE.fullmatch(value):
        text = f"{what} would have line breaks, control characters or other than ASCII"
        raise UnsendableError(text, of_input=of_input)


def check_url(url: str, *, of_input: bool) -> None:
    """Raises UnsendableError for a URL with control characters, one that is too long, or none at all."""
    try:
        httpx.URL(url)
    except httpx.InvalidURL as error:
        raise UnsendableError(f"the URL cannot be asked for: {error}", of_input=of_input) from error
