"""A page of a PDF as a picture, by PDFium. Its pixels are bounded before they are drawn."""

import math
from typing import TYPE_CHECKING, Any

from services.executor.material import pdfs, pictures
from services.executor.material.errors import ToolError

if TYPE_CHECKING:
    from PIL.Image import Image

POINTS_PER_INCH = 72


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """Page `page` (from 1) of `pdf` at `dpi`, with its annotations and what its form is filled with."""
    with pdfs.opened(files["pdf"]) as document:
        page, count = input.get("page", 1), len(document)
        if page > count:
            raise ToolError("PAGE_MISSING", f"page is {page}, the PDF has {count} page{'' if count == 1 else 's'}")
        document.init_forms()
        picture = _draw(document[page - 1], input.get("dpi", 96))
    return pictures.encode(picture, input.get("format", "png")) | {"page_count": count}


def _draw(page: Any, dpi: int) -> "Image":
    scale = dpi / POINTS_PER_INCH
    width, height = (math.ceil(points * scale) for points in page.get_size())
    if width * height > pictures.PIXELS_MAX:
        raise ToolError(
            "IMAGE_TOO_LARGE",
            f"at {dpi} dpi the page has {width:,} × {height:,} pixels, at most {pictures.PIXELS_MAX:,} are drawn",
        )
    picture: Image = page.render(scale=scale).to_pil()
    return picture.convert("RGB")
