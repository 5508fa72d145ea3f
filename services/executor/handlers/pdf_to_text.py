"""The text of a PDF, by PDFium. Pages and characters are bounded."""

from typing import Any

from services.executor.material import pdfs
from services.executor.material.errors import ToolError

PAGES_MAX = 2_000
CHARS_MAX = 5_000_000
PAGE_BREAK = "\f"


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """The text of `pdf`, its pages parted by a form feed; a page of pictures alone gives nothing."""
    with pdfs.opened(files["pdf"]) as document:
        count = len(document)
        if count > PAGES_MAX:
            raise ToolError("PDF_TOO_LONG", f"the PDF has {count} pages, at most {PAGES_MAX} are taken")
        pages: list[str] = []
        chars = 0
        for index in range(count):
            pages.append(_page_text(document, index))
            chars += len(pages[-1])
            if chars > CHARS_MAX:
                raise ToolError("PDF_TOO_LONG", f"the PDF has more than {CHARS_MAX} characters")
    return {"text": PAGE_BREAK.join(pages), "page_count": count}


def _page_text(document: Any, index: int) -> str:
    page = document[index]
    try:
        text_page = page.get_textpage()
        try:
            text: str = text_page.get_text_bounded()
        finally:
            text_page.close()
    finally:
        page.close()
    # PDFium ends lines as Windows does, and marks a word broken over two lines with a character that is none.
    text = text.replace("\r\n", "\n").replace("\ufffe", "-").replace("\x00", "").replace(PAGE_BREAK, " ")
    return text.encode("utf-8", "replace").decode()
