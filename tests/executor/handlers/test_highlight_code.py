"""Code in colours holds nothing but the code."""

import html
import re
from typing import Any

import pytest
import yaml

from services.executor.handlers import highlight_code
from services.executor.material.errors import ToolError
from tests.executor.handlers.extras import TOOLS

TAG = re.compile(r"<[^>]*>")
SCRIPT = "<script>alert('x & y')</script>\n"


def highlighted(code: str, **input: Any) -> dict[str, Any]:
    return highlight_code.run({"code": code} | input, {})


def read(output: dict[str, Any]) -> str:
    """What a browser shows."""
    return html.unescape(TAG.sub("", output["html"]))


@pytest.mark.parametrize("language", ["python", "javascript", "html", "sql", "c++", "text", "yaml", "brainfuck"])
def test_the_text_is_the_code(language: str) -> None:
    """Tags in it are only text, whatever the language."""
    output = highlighted(SCRIPT, language=language)
    assert read(output).strip("\n") == SCRIPT.strip("\n")
    assert set(re.findall(r"</?(\w+)", output["html"])) <= {"div", "pre", "span"}


def test_empty_lines_at_the_beginning_are_kept() -> None:
    """So that lines can be counted."""
    assert read(highlighted("\n\nx = 1\n", language="python")) == "\n\nx = 1\n\n"


def test_colours_are_in_the_html_itself() -> None:
    """So it can be put anywhere."""
    output = highlighted("x = 1", language="python", style="monokai")
    assert 'style="color: #AE81FF">1<' in output["html"]
    assert "class=" not in output["html"].replace('class="highlight"', "")
    assert "css" not in output


def test_colours_can_be_classes_with_a_style_sheet() -> None:
    """Which touches nothing else of a page."""
    output = highlighted("x = 1", language="python", colours="classes")
    assert '<span class="mi">1</span>' in output["html"]
    assert all(rule.startswith(".highlight") for rule in output["css"].splitlines())
    assert ".highlight .mi " in output["css"]


@pytest.mark.parametrize(
    ("code", "language"),
    [
        ("#!/usr/bin/env python\nimport os\n", "python"),
        ("<!DOCTYPE html><html><body></body></html>", "html"),
        ("#!/bin/bash\necho $HOME\n", "bash"),
        ("hello", "text"),
    ],
)
def test_a_language_is_guessed(code: str, language: str) -> None:
    """It is plain text where nothing tells."""
    assert highlighted(code)["language"] == language


def test_a_language_that_is_not_known_is_told() -> None:
    """With some that are."""
    with pytest.raises(ToolError, match="language: klingon is none that is known; python") as refused:
        highlighted("x", language="klingon")
    assert refused.value.reason == "LANGUAGE_UNKNOWN"


def test_code_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """This would take a minute."""
    monkeypatch.setattr(highlight_code, "SECONDS_MAX", 0.1)
    with pytest.raises(ToolError, match=r"the code takes more than 0\.1 seconds") as refused:
        highlighted("\n " * 50_000, language="python")
    assert refused.value.reason == "TOO_SLOW"


@pytest.mark.parametrize("piece", ["{", " ", "a", "<", '"', "\n"])
def test_guessing_looks_at_the_beginning_only(piece: str) -> None:
    """All of this would take minutes."""
    assert highlight_code._guessed(piece * 100_000).aliases


def test_every_style_of_the_manifest_is_there() -> None:
    """It takes all of them."""
    manifest = yaml.safe_load((TOOLS / "highlight-code.yaml").read_text())
    for style in manifest["input_schema"]["properties"]["style"]["enum"]:
        assert "style=" in highlighted("def f(): pass", language="python", style=style)["html"]
