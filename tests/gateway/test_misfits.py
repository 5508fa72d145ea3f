"""What does not fit the shape of a body is told in words of our own, with its field and what would fit."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from services.gateway import bodies
from services.gateway.shapes import CONTROL_FREE
from services.runtime.errors import Refusal


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """Some of all that bodies have."""

    name: Annotated[str, Meta(min_length=1, max_length=3, pattern=CONTROL_FREE)] = "x"
    slug: Annotated[str, Meta(pattern="^[a-z]+$")] = "x"
    count: Annotated[int, Meta(ge=1, le=5)] = 1
    priority: Annotated[Literal["interactive", "batch"] | None, Meta(description="How soon.")] = None
    at: Annotated[datetime, Meta(tz=True)] | None = None
    labels: Annotated[dict[str, str], Meta(max_length=1)] = {}


class Needy(msgspec.Struct):
    """Has to have something."""

    input: str


DECODERS = {kind: msgspec.json.Decoder(kind) for kind in (Body, Needy)}
TIME = "must be an RFC 3339 time such as 2031-01-31T00:00:00Z"


@pytest.mark.parametrize(
    ("shape", "body", "field", "said"),
    [
        (Body, '{"name": ""}', "name", "must not be empty"),
        (Body, '{"name": "long"}', "name", "must have at most 3 characters"),
        (Body, r'{"name": "\n"}', "name", "must have no control characters"),
        (Body, '{"name": 5}', "name", "must be a string, not a whole number"),
        (Body, '{"slug": "A"}', "slug", "must match ^[a-z]+$"),
        (Body, '{"count": 0}', "count", "must be at least 1"),
        (Body, '{"count": 6}', "count", "must be at most 5"),
        (Body, '{"count": "1"}', "count", "must be a whole number, not a string"),
        (Body, '{"priority": "urgent"}', "priority", "must be one of batch, interactive"),
        (Body, '{"at": "tomorrow"}', "at", TIME),
        (Body, '{"at": "2031-01-31T00:00:00"}', "at", f"{TIME}, with its offset"),
        (Body, '{"labels": {"a": "1", "b": "2"}}', "labels", "must have at most 1 members"),
        (Body, '{"labels": {"a": 5}}', "labels[...]", "must be a string, not a whole number"),
        (Body, '{"nope": 1}', "nope", "there are name, slug, count, priority, at, labels"),
        (Needy, "{}", "input", "is needed"),
        (Body, "[]", "", "the body must be an object, not an array"),
        (Body, '{"name": NaN}', "", "see byte 9"),
        (Body, '{"name": ', "", "it ends too early"),
        (Body, "", "", "it is empty"),
    ],
)
def test_a_misfit_is_told_in_words(shape: type, body: str, field: str, said: str) -> None:
    """REQUEST_INVALID; nothing of the decoder's own sentences is left."""
    with pytest.raises(Refusal) as refused:
        bodies.decode(DECODERS[shape], body.encode())
    assert (refused.value.reason, refused.value.metadata.get("field", "")) == ("REQUEST_INVALID", field)
    assert said in refused.value.message
    assert "xpected" not in refused.value.message
