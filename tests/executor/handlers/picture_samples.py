"""Pictures for the tests: good ones, and ones that would do harm."""

import base64
import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from services.executor.material.errors import ToolError


def saved(picture: Image.Image, format_name: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, format_name, **options)
    return out.getvalue()


def shown(output: dict[str, Any]) -> Image.Image:
    """The picture in an output, decoded; its width and height are what the output says."""
    header, _, data = output["image"].partition(";base64,")
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    picture.load()
    assert header == f"data:image/{str(picture.format).lower()}"
    assert (output["width"], output["height"]) == picture.size
    return picture


def halves(size: tuple[int, int] = (40, 20)) -> Image.Image:
    """Red on the left, blue on the right."""
    picture = Image.new("RGB", size, "red")
    picture.paste("blue", (size[0] // 2, 0, *size))
    return picture


def animation(format_name: str) -> bytes:
    """Three frames: red, green, blue."""
    red, *others = (Image.new("RGB", (16, 16), color) for color in ("red", "green", "blue"))
    return saved(red, format_name, save_all=True, append_images=others, duration=100)


def png_of(width: int, height: int, *extra: bytes) -> bytes:
    """A PNG that says it has so many pixels, and is small because they are all the same."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + b"".join(extra)
        + chunk(b"IDAT", zlib.compress(bytes(1_000)))
        + chunk(b"IEND", b"")
    )


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def webp_of(width: int, height: int) -> bytes:
    """An animated WebP with a canvas of that size, and one frame of 4 × 4 pixels."""
    frame = bytes(6) + struct.pack("<I", 3)[:3] * 2 + bytes(4) + saved(Image.new("RGB", (4, 4)), "WEBP")[12:]
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    parts = [(b"VP8X", b"\x02\0\0\0" + size), (b"ANIM", bytes(6)), (b"ANMF", frame)]
    body = b"WEBP" + b"".join(kind + struct.pack("<I", len(data)) + data for kind, data in parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def gif_of(width: int, height: int) -> bytes:
    """A GIF whose only frame is larger than the small screen it says it has."""
    small = saved(Image.new("P", (2, 2)), "GIF")
    return small.replace(b",\0\0\0\0\2\0\2\0", b",\0\0\0\0" + struct.pack("<HH", width, height))


# One row for each kind of harm, for every tool that takes pictures.
HOSTILE: list[tuple[str, bytes, str]] = [
    ("nothing", b"", "IMAGE_UNREADABLE"),
    ("no picture", b"hello", "IMAGE_UNREADABLE"),
    ("SVG", b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', "IMAGE_UNREADABLE"),
    ("a format not taken", saved(Image.new("L", (4, 4)), "TIFF"), "IMAGE_UNREADABLE"),
    ("a web page that begins like a GIF", b"GIF89a<script>alert(1)</script>", "IMAGE_UNREADABLE"),
    ("a PDF that begins like a PNG", b"\x89PNG\r\n\x1a\n%PDF-1.4\n", "IMAGE_UNREADABLE"),
    ("PNG cut off", saved(halves())[:-30], "IMAGE_UNREADABLE"),
    ("JPEG cut off", saved(halves((400, 400)), "JPEG")[:-200], "IMAGE_UNREADABLE"),
    ("WebP cut off", saved(halves(), "WEBP")[:-20], "IMAGE_UNREADABLE"),
    ("AVIF cut off", saved(halves(), "AVIF")[:-20], "IMAGE_UNREADABLE"),
    ("GIF cut off", saved(halves(), "GIF")[:-10], "IMAGE_UNREADABLE"),
    ("a text that unpacks to 100 MB", png_of(9, 9, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8)))),
     "IMAGE_UNREADABLE"),
    ("a profile that unpacks to 100 MB", png_of(9, 9, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(10**8)))),
     "IMAGE_UNREADABLE"),
    ("more pixels than taken", png_of(10_000, 4_001), "IMAGE_TOO_LARGE"),
    ("a hundred megapixels", png_of(10_000, 10_000), "IMAGE_TOO_LARGE"),
    ("a bomb", png_of(2**31 - 1, 2**31 - 1), "IMAGE_TOO_LARGE"),
    ("an animated bomb", webp_of(16_000, 16_000), "IMAGE_TOO_LARGE"),
    ("a frame beyond its screen", gif_of(65_535, 65_535), "IMAGE_TOO_LARGE"),
]  # fmt: skip


def hostile_pictures(test: Callable[..., None]) -> Callable[..., None]:
    """Runs a test with `data` and `reason` of every hostile picture."""
    rows, names = [row[1:] for row in HOSTILE], [row[0] for row in HOSTILE]
    return pytest.mark.parametrize(("data", "reason"), rows, ids=names)(test)


def refusal(run: Callable[..., Any], input: dict[str, Any], **files: bytes) -> ToolError:
    """What a tool says to an input it cannot work on."""
    with pytest.raises(ToolError) as refused:
        run(input, files)
    return refused.value
