"""Pages of lists: their size, and opaque tokens that fit only the list they were given for."""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.message import Message

from services.runtime.errors import invalid

SIZE_DEFAULT = 50
SIZE_MAX = 200
_BOUND_CHARACTERS = 12


def size_of(asked: int) -> int:
    """How long a page is; 0 asks for the default. Raises REQUEST_INVALID."""
    if not 0 <= asked <= SIZE_MAX:
        raise invalid("page_size", f"must be 1 to {SIZE_MAX}, not {asked}", limit=SIZE_MAX, value=asked)
    return asked or SIZE_DEFAULT


def token(bound: str, *place: str | int) -> str:
    """The token of a page that begins after `place`; `bound` says which list it is: its filter and its account."""
    content = json.dumps([_digest(bound), *place], separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def place(token: str, bound: str, *kinds: type[str] | type[int]) -> Sequence[str | int] | None:
    """Where the page of a token begins, one value of each kind; None: at the first. Raises REQUEST_INVALID."""
    if not token:
        return None
    try:
        found = json.loads(base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError, binascii.Error) as error:
        raise invalid("page_token", "is not one that was given out") from error
    if not isinstance(found, list) or [type(value) for value in found] != [str, *kinds]:
        raise invalid("page_token", "is not one that was given out")
    if found[0] != _digest(bound):
        raise invalid("page_token", "was given out for another list")
    return found[1:]


def filter_of(request: Message) -> str:
    """What the tokens of a list are bound to: everything in a request but the size and the token of its page."""
    copy = type(request)()
    copy.CopyFrom(request)
    copy.ClearField("page_size")
    copy.ClearField("page_token")
    return type(request).DESCRIPTOR.full_name + copy.SerializeToString(deterministic=True).hex()


@dataclass(frozen=True, slots=True)
class KeyPage:
    """A page of a list that is in memory, in the order of a text key; `more` follows."""

    keys: Sequence[str]
    bound: str
    more: bool

    def token_after(self, shown: int) -> str:
        """The token of what follows the first `shown` keys; empty where nothing does."""
        return token(self.bound, self.keys[shown - 1]) if self.more or shown < len(self.keys) else ""


def of_keys(keys: Sequence[str], request: Message, page_size: int, page_token: str) -> KeyPage:
    """The page of ascending keys that a request asks for. Raises REQUEST_INVALID."""
    size = size_of(page_size)
    bound = filter_of(request)
    after = place(page_token, bound, str)
    rest = [key for key in keys if after is None or key > str(after[0])]
    return KeyPage(rest[:size], bound, len(rest) > size)


def _digest(bound: str) -> str:
    return hashlib.sha256(bound.encode()).hexdigest()[:_BOUND_CHARACTERS]
