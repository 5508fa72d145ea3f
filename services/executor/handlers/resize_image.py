"""A picture in another size, by Pillow."""

from typing import TYPE_CHECKING, Any

from services.executor.material import pictures
from services.executor.material.errors import ToolError

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE_MAX = 6_000
# What a picture becomes whose own format is only read.
FORMAT = "png"


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """`image` in `width` and `height` pixels; of the two, one alone keeps the picture's own ratio."""
    picture = pictures.read(files["image"])
    own = pictures.format_of(picture)
    format_name = input.get("format") or (own if own in pictures.SIDES_MAX else FORMAT)
    resized = _resize(pictures.plain(picture), input.get("fit", "contain"), input.get("width"), input.get("height"))
    return pictures.encode(resized, format_name, input.get("quality", 80)) | {"format": format_name}


def _resize(picture: "Image", fit: str, width: int | None, height: int | None) -> "Image":
    from PIL import Image, ImageOps

    if width and height and fit == "cover":
        return ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)
    if not (width and height and fit == "exact"):
        scale = min(wanted / own for wanted, own in zip((width, height), picture.size, strict=True) if wanted)
        width, height = (max(1, round(own * scale)) for own in picture.size)
        if max(width, height) > SIDE_MAX:
            raise ToolError(
                "IMAGE_TOO_LARGE",
                f"the picture would have {width:,} × {height:,} pixels, at most {SIDE_MAX:,} a side are made",
            )
    return picture.resize((width, height), Image.Resampling.LANCZOS)
