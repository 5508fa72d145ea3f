"""For the tools that are not in the default install: tests that skip where they cannot run, and manifests' examples."""

import base64
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

TOOLS = Path(__file__).parents[3] / "services" / "catalog" / "tools"


def needs(*packages: str, programs: tuple[str, ...] = ()) -> pytest.MarkDecorator:
    """Skips a test where a package or a program is missing, and says which."""
    missing = [name for name in packages if find_spec(name) is None]
    missing += [name for name in programs if shutil.which(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)} (docs/extra-tools.md)")


def example_file(slug: str, name: str) -> bytes:
    """The file in a manifest's first example."""
    manifest: dict[str, Any] = yaml.safe_load((TOOLS / f"{slug}.yaml").read_text())
    return base64.b64decode(manifest["examples"][0][name].partition(",")[2])
