"""Opening PDFs with PDFium."""

import contextlib
from collections.abc import Iterator
from typing import Any

from services.executor.material.errors import ToolError


@contextlib.contextmanager
def opened(data: bytes) -> Iterator[Any]:
    """A document while the body runs; raises ToolError PDF_ENCRYPTED or PDF_UNREADABLE."""
    import pypdfium2
    from pypdfium2 import raw

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == raw.FPDF_ERR_PASSWORD:
            raise ToolError("PDF_ENCRYPTED", "the PDF needs a password") from error
        raise ToolError("PDF_UNREADABLE", "the file is not a PDF, or is damaged") from error
    try:
        yield document
    except pypdfium2.PdfiumError as error:
        raise ToolError("PDF_UNREADABLE", "a page of the PDF is damaged") from error
    finally:
        document.close()
