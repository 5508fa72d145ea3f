"""Barcodes in a picture, by zxing-cpp."""

from typing import Any

from services.executor.material import pictures


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """Every barcode found in `image`, with its corners in pixels; a picture without one gives an empty list."""
    import zxingcpp

    found = zxingcpp.read_barcodes(pictures.on_white(pictures.read(files["image"])).convert("L"))
    return {"barcodes": [_describe(barcode) for barcode in found if barcode.valid]}


def _describe(barcode: Any) -> dict[str, Any]:
    position = barcode.position
    corners = (position.top_left, position.top_right, position.bottom_right, position.bottom_left)
    return {
        "format": str(barcode.format),
        "text": barcode.text.encode("utf-8", "replace").decode(),
        "corners": [{"x": corner.x, "y": corner.y} for corner in corners],
    }
