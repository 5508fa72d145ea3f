"""Which tools a list shows."""

from collections.abc import Iterable, Iterator

from scrip.catalog.v1 import catalog_pb2

from services.catalog.tool import Tool
from services.runtime.errors import invalid

WORD_CHARS_MAX = 63
QUERY_CHARS_MAX = 200


def slugs(tools: Iterable[Tool], request: catalog_pb2.ListToolsRequest) -> list[str]:
    """The slugs of the tools that a request asks for; raises REQUEST_INVALID."""
    for name in ("category", "tag", "provider"):
        if len(getattr(request, name)) > WORD_CHARS_MAX:
            raise invalid(name, f"has {len(getattr(request, name))} characters, at most {WORD_CHARS_MAX} are taken")
    if len(request.query) > QUERY_CHARS_MAX:
        raise invalid("query", f"has {len(request.query)} characters, at most {QUERY_CHARS_MAX} are taken")
    return list(_slugs(tools, request))


def _slugs(tools: Iterable[Tool], request: catalog_pb2.ListToolsRequest) -> Iterator[str]:
    words = request.query.casefold().split()
    for tool in tools:
        content = tool.current.content
        if (
            request.category in ("", content.category)
            and (not request.tag or request.tag in content.tags)
            and request.provider in ("", content.provider)
            and (not request.HasField("enabled") or request.enabled == tool.enabled)
            and all(word in tool.current.searched for word in words)
        ):
            yield content.slug
