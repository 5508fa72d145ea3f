"""HTML as Markdown, by Beautiful Soup and markdownify: what people would read of it, and nothing that runs."""

from typing import Any

from services.executor.material.deadline import deadline

SECONDS_MAX = 20


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """The Markdown of `html`, or of its main part, and its title; raises HTML_TOO_DEEP and TOO_SLOW."""
    from services.executor.material import html_pages

    with deadline(SECONDS_MAX, "the HTML"):
        page = html_pages.read(input["html"])
        title = html_pages.title(page)
        part = html_pages.main_part(page) if input.get("main_content", False) else page
        return {"title": title, "markdown": html_pages.markdown(part)}
