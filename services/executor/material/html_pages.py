"""Pages of HTML as trees of bounded depth, without what runs or is not shown, and as Markdown."""

import re
import warnings
from typing import Any

from bs4 import BeautifulSoup, Tag, UnusualUsageWarning
from bs4.element import CData, PreformattedString
from markdownify import MarkdownConverter

from services.executor.material.errors import ToolError

# Python's own limit is reached at some 300.
DEPTH_MAX = 200
NOT_SHOWN = ("head", "script", "style", "template", "noscript", "iframe", "object", "svg", "canvas")
BESIDE = ("nav", "aside", "footer")
LINKS = {"a": "href", "img": "src"}
RUN_SCHEMES = ("javascript", "vbscript", "data")

_BLOCKS = (
    "address article aside blockquote details div dl fieldset figure footer form h1 h2 h3 h4 h5 h6 header hr main nav "
    "ol p pre section table ul"
)
# The elements whose end tag may be left out → what then ends them.
_ENDED_BY = {
    "p": frozenset(_BLOCKS.split()),
    "li": frozenset(["li"]),
    "dt": frozenset(["dt", "dd"]),
    "dd": frozenset(["dt", "dd"]),
    "tr": frozenset(["tr", "tbody", "tfoot"]),
    "td": frozenset(["td", "th", "tr", "tbody", "tfoot"]),
    "th": frozenset(["td", "th", "tr", "tbody", "tfoot"]),
    "option": frozenset(["option", "optgroup"]),
}


_LEFT_OUT = re.compile(r"[\x00-\x20]+")


class _Page(BeautifulSoup):
    """A tree that is given up where it becomes too deep, and knows where end tags may be left out."""

    def handle_starttag(self, name: str, *args: Any, **named: Any) -> Tag | None:
        """Ends what the new element ends."""
        while self.currentTag is not None and name in _ENDED_BY.get(self.currentTag.name, ()):
            self.handle_endtag(self.currentTag.name)
        return super().handle_starttag(name, *args, **named)

    def pushTag(self, tag: Tag) -> None:  # noqa: N802 (its name in Beautiful Soup)
        """Opens an element; raises ToolError HTML_TOO_DEEP."""
        super().pushTag(tag)
        # The page itself is the first.
        if len(self.tagStack) > DEPTH_MAX + 1:
            raise ToolError("HTML_TOO_DEEP", f"html: elements are nested deeper than {DEPTH_MAX} levels")


class _Markdown(MarkdownConverter):
    """Does not let text be taken for HTML."""

    def escape(self, text: str, parent_tags: set[str]) -> str:
        """Also escapes what would begin an element."""
        escaped = super().escape(text, parent_tags)  # type: ignore[misc]  # its stub leaves it out
        return str(escaped).replace("<", "\\<")


def read(html: str) -> BeautifulSoup:
    """The tree of a page; raises ToolError HTML_TOO_DEEP."""
    with warnings.catch_warnings():
        # That the text looks like an address, or like XML, is no concern of the operator's.
        warnings.simplefilter("ignore", UnusualUsageWarning)
        return _Page(html, "html.parser")


def title(page: BeautifulSoup) -> str:
    """What stands in the `<title>`; empty where there is none."""
    found = page.find("title")
    return " ".join(found.get_text().split()) if found else ""


def main_part(page: BeautifulSoup) -> Tag:
    """The `<main>` of a page, or else its first `<article>`, or else all of it; without what stands beside."""
    part = page.find("main") or page.find(role="main") or page.find("article") or page
    for tag in part.find_all(BESIDE):
        tag.decompose()
    return part


def markdown(part: Tag) -> str:
    """The Markdown of a part of a page, which loses what is not shown."""
    for tag in part.find_all(NOT_SHOWN):
        tag.decompose()
    for note in part.find_all(string=_is_note):
        note.extract()
    for tag in part.find_all(list(LINKS)):
        if _scheme(str(tag.get(LINKS[tag.name], ""))) in RUN_SCHEMES:
            tag.replace_with(str(tag.get("alt", "")) if tag.name == "img" else tag.get_text())
    return str(_Markdown(heading_style="ATX", bullets="-").convert_soup(part)).strip()


def _is_note(text: object) -> bool:
    """Comments, declarations, processing instructions."""
    return isinstance(text, PreformattedString) and not isinstance(text, CData)


def _scheme(url: str) -> str:
    """The scheme as browsers read it: they leave out space and control characters."""
    return _LEFT_OUT.sub("", url).partition(":")[0].lower()
