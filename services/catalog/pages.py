"""Pages of a list in the order of a text key: an opaque token that fits only the list it was given for."""

import base64
import binascii
import hashlib
from collections.abc import Sequence

from google.protobuf.message import Message

from services.runtime.errors import invalid

SIZE_DEFAULT = 50
SIZE_MAX = 200
_FILTER_BYTES = 8


def page(keys: Sequence[str], request: Message, page_size: int, page_token: str) -> tuple[Sequence[str], str]:
    """The keys (ascending) of the page that `request` asks for, and the token of the next one, empty on the last.

    Everything in `request` but size and token is the filter, which a token is bound to. Raises REQUEST_INVALID.
    """
    if not 0 <= page_size <= SIZE_MAX:
        raise invalid("page_size", f"must be 1 to {SIZE_MAX}, or 0 for {SIZE_DEFAULT}", given=page_size)
    size = page_size or SIZE_DEFAULT
    bound = _filter(request)
    after = _read(page_token, bound) if page_token else ""
    rest = [key for key in keys if key > after]
    shown = rest[:size]
    more = len(rest) > size
    return shown, base64.urlsafe_b64encode(bound + shown[-1].encode()).decode() if more else ""


def _filter(request: Message) -> bytes:
    copy = type(request)()
    copy.CopyFrom(request)
    copy.ClearField("page_size")
    copy.ClearField("page_token")
    name = type(request).DESCRIPTOR.full_name.encode()
    return hashlib.sha256(name + b"\0" + copy.SerializeToString(deterministic=True)).digest()[:_FILTER_BYTES]


def _read(token: str, bound: bytes) -> str:
    try:
        data = base64.b64decode(token, altchars=b"-_", validate=True)
        after = data[_FILTER_BYTES:].decode()
    except (ValueError, binascii.Error) as error:
        raise invalid("page_token", "is not one that this list gave") from error
    if data[:_FILTER_BYTES] != bound or not after:
        raise invalid("page_token", "was given for another list")
    return after
