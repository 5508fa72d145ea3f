"""Barcodes in a picture, by zxing-cpp. The number of pixels is bounded before any of them is decoded."""

import io
import warnings
from typing import TYPE_CHECKING, Any

from services.executor.handlers.errors import ToolError

if TYPE_CHECKING:
    from PIL.Image import Image

PIXELS_MAX = 40_000_000
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP")


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """Every barcode found in `image`, with its corners in pixels; a picture without one gives an empty list."""
    import zxingcpp

    found = zxingcpp.read_barcodes(_open(files["image"]))
    return {"barcodes": [_describe(barcode) for barcode in found if barcode.valid]}


def _describe(barcode: Any) -> dict[str, Any]:
    position = barcode.position
    corners = (position.top_left, position.top_right, position.bottom_right, position.bottom_left)
    return {
        "format": str(barcode.format),
        "text": barcode.text.encode("utf-8", "replace").decode(),
        "corners": [{"x": corner.x, "y": corner.y} for corner in corners],
    }


def _open(data: bytes) -> "Image":
    """The picture in grey, transparent parts white as paper."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # Pillow's own bound is higher than ours and should end it all the same.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
            width, height = picture.size
            if width * height > PIXELS_MAX:
                raise ToolError(
                    "IMAGE_TOO_LARGE", f"the picture has {width} × {height} pixels, at most {PIXELS_MAX} are taken"
                )
            if "A" in picture.getbands() or "transparency" in picture.info:
                opaque = picture.convert("RGBA")
                paper = Image.new("RGBA", opaque.size, "white")
                return Image.alpha_composite(paper, opaque).convert("L")
            return picture.convert("L")
    except UnidentifiedImageError as error:
        raise ToolError("IMAGE_UNREADABLE", f"the file is not a picture of {', '.join(FORMATS)}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ToolError("IMAGE_TOO_LARGE", f"the picture has more than {PIXELS_MAX} pixels") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise ToolError("IMAGE_UNREADABLE", "the picture is damaged") from error
