"""Whatever an author writes, a manifest is taken or its mistakes are told; nothing else comes of it."""

import contextlib
import copy
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from services.catalog.manifests import files as manifest_files
from services.catalog.manifests.manifest import ManifestError

ODD: tuple[Any, ...] = (None, 5, "", [], {}, "x" * 300, -1, True)
Path = tuple[str | int, ...]


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Where the parts of a value stand, itself among them."""
    yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, member in members:
        yield from places(member, (*path, step))


def replaced(value: Any, path: Path, odd: Any) -> Any:
    """A copy with another value in one place."""
    if not path:
        return odd
    made = copy.copy(value)
    made[path[0]] = replaced(value[path[0]], path[1:], odd)
    return made


@pytest.mark.parametrize("slug", ["translate-deepl", "barcode-read", "chat-gpt", "flux-replicate"])
def test_an_odd_value_anywhere_is_a_mistake_at_most(slug: str) -> None:
    """In a tool with a handler, and in ones that call a provider once, as a stream, and until the work is done."""
    text = (resources.files("services.catalog") / "tools" / f"{slug}.yaml").read_text(encoding="utf-8")
    written = yaml.safe_load(text)

    @settings(max_examples=75, deadline=None)
    @given(st.sampled_from(list(places(written))), st.sampled_from(ODD))
    def check(path: Path, odd: Any) -> None:
        with contextlib.suppress(ManifestError):
            manifest_files.parse(yaml.safe_dump(replaced(written, path, odd)))

    check()
