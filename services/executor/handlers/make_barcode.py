"""A barcode of a text, by zxing-cpp."""

import re
from typing import Any

from services.executor.material import pictures
from services.executor.material.errors import ToolError
from services.executor.material.files import data_url

EAN_13 = re.compile(r"[0-9]{12,13}")
# They can say in which character set their text is; without, readers guess.
MATRIX = ("QR Code", "Data Matrix", "PDF417", "Aztec")
# What zxing-cpp puts around its sentences.
NUMBERS = re.compile(r"^Error \d+: | \(retval: \d+\)$")


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """`text` as a barcode of `format`, `scale` pixels a module, with the quiet zone it needs around it."""
    import zxingcpp
    from PIL import Image

    barcode, scale = _create(input["text"], input["format"]), input.get("scale", 4)
    drawn = Image.fromarray(zxingcpp.write_barcode_to_image(barcode, scale))
    # A check digit may have been added.
    text = {"text": barcode.text if input["format"] == "EAN-13" else input["text"]}
    if input.get("output", "png") == "png":
        return pictures.encode(drawn.convert("1"), "png") | text
    svg = zxingcpp.write_barcode_to_svg(barcode, scale).encode()
    return {"image": data_url("image/svg+xml", svg), "width": drawn.width, "height": drawn.height} | text


def _create(text: str, format_name: str) -> Any:
    import zxingcpp

    if format_name == "EAN-13" and not EAN_13.fullmatch(text):
        message = f"EAN-13 takes 12 digits, or 13 with the check digit; the text has {len(text)} characters"
        raise ToolError("TEXT_UNSUITABLE", message)
    options = {"eci": "UTF-8"} if format_name in MATRIX and not text.isascii() else {}
    try:
        return zxingcpp.create_barcode(text, zxingcpp.barcode_format_from_str(format_name), **options)
    except ValueError as error:
        raise ToolError("TEXT_UNSUITABLE", f"{format_name}: {NUMBERS.sub('', str(error))}") from error
