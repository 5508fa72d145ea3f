"""The catalog's events: no view is made from them, but their log is followed and a kind nobody thought of is told."""

from scrip.catalog.v1.events_pb2 import EventKind

KINDS: frozenset[int] = frozenset(
    {
        EventKind.EVENT_KIND_TOOL_VERSION_CREATED,
        EventKind.EVENT_KIND_TOOL_ENABLED,
        EventKind.EVENT_KIND_TOOL_DISABLED,
        EventKind.EVENT_KIND_PRICE_CHANGED,
        EventKind.EVENT_KIND_PRICE_SCHEDULED,
        EventKind.EVENT_KIND_PRICE_UNSCHEDULED,
        EventKind.EVENT_KIND_MANIFEST_PRICE_CHANGED,
        EventKind.EVENT_KIND_CATEGORY_CHANGED,
        EventKind.EVENT_KIND_CATEGORY_DELETED,
    }
)
