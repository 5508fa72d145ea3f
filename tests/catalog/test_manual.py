"""docs/manifests.md: what it shows as a manifest is one."""

import re
from pathlib import Path

import pytest

from services.catalog.manifests import files as manifest_files

MANUAL = (Path(__file__).parents[2] / "docs" / "manifests.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^```yaml\n(slug:.*?)^```$", MANUAL, re.DOTALL | re.MULTILINE)


def test_the_manual_shows_a_manifest() -> None:
    """So that there is something to look at below."""
    assert SHOWN


@pytest.mark.parametrize("text", SHOWN)
def test_what_the_manual_shows_is_without_mistakes(text: str) -> None:
    """As it is printed."""
    manifest_files.parse(text)
