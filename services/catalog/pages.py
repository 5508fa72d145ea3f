"""Pages of a list in the order of a text key, whatever its filter."""

from collections.abc import Sequence

from google.protobuf.message import Message

from services.runtime import pages


def page(keys: Sequence[str], request: Message, page_size: int, page_token: str) -> tuple[Sequence[str], str]:
    """The keys (ascending) of the page that `request` asks for, and the token of the next one, empty on the last.

    Everything in `request` but size and token is the filter, which a token is bound to. Raises REQUEST_INVALID.
    """
    size = pages.size_of(page_size)
    bound = _filter(request)
    after = pages.place(page_token, bound, str)
    rest = [key for key in keys if after is None or key > str(after[0])]
    shown = rest[:size]
    return shown, pages.token(bound, shown[-1]) if len(rest) > size else ""


def _filter(request: Message) -> str:
    copy = type(request)()
    copy.CopyFrom(request)
    copy.ClearField("page_size")
    copy.ClearField("page_token")
    return type(request).DESCRIPTOR.full_name + copy.SerializeToString(deterministic=True).hex()
