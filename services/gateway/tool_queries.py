"""What lists of tools are filtered by, over HTTP."""

from typing import Any

from litestar import Request
from scrip.catalog.v1 import catalog_pb2

from services.gateway import pages
from services.gateway.queries import Parameter, Query
from services.runtime.errors import invalid

TEXT_CHARS_MAX = 200
_WORD_SCHEMA = {"type": "string", "minLength": 1, "maxLength": 63}
_SWITCH = {"true": True, "false": False}
_SWITCH_SCHEMA = {"type": "boolean"}

CATEGORY = Parameter("category", "Only tools of this category.", _WORD_SCHEMA)
TAG = Parameter("tag", "Only tools with this tag.", _WORD_SCHEMA)
TEXT = Parameter(
    "q",
    "Only tools in whose slug, name, description or tags each of these words is found, in whatever case.",
    {"type": "string", "maxLength": TEXT_CHARS_MAX},
)
PROVIDER = Parameter("provider", "Only tools of this provider.", _WORD_SCHEMA)
ENABLED = Parameter("enabled", "Only tools that are switched on, or off.", _SWITCH_SCHEMA)
TOOL_FILTERS = (CATEGORY, TAG, TEXT, PROVIDER, ENABLED)
DRY_RUN = Parameter("dry_run", "Change nothing, and tell what would change.", _SWITCH_SCHEMA | {"default": False})


def tools(request: Request[Any, Any, Any]) -> catalog_pb2.ListToolsRequest:
    """The tools that a request asks for; raises REQUEST_INVALID."""
    query, page = Query(request, TOOL_FILTERS, paged=True), pages.of(request)
    question = catalog_pb2.ListToolsRequest(
        page_size=page.size,
        page_token=page.token,
        category=query.text(CATEGORY),
        tag=query.text(TAG),
        query=_text(request),
        provider=query.text(PROVIDER),
    )
    enabled = query.words(ENABLED, _SWITCH)
    if enabled:
        question.enabled = enabled[-1]
    return question


def dry_run(request: Request[Any, Any, Any]) -> bool:
    """Whether a request only asks what it would do; raises REQUEST_INVALID."""
    return bool(Query(request, (DRY_RUN,)).word(DRY_RUN, _SWITCH))


def _text(request: Request[Any, Any, Any]) -> str:
    text = request.query_params.get(TEXT.name, "")
    if len(text) > TEXT_CHARS_MAX:
        raise invalid(TEXT.name, f"has {len(text)} characters, at most {TEXT_CHARS_MAX} are taken")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise invalid(TEXT.name, "is not UTF-8") from None
    return text
