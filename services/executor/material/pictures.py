"""Pictures: read with a bound on their pixels, made upright and plain, and encoded with a bound on their bytes."""

import contextlib
import io
import warnings
from typing import TYPE_CHECKING, Any

from services.executor.material.errors import ToolError
from services.executor.material.files import data_url
from services.executor.rules.output_files import FILES_BYTES_MAX

if TYPE_CHECKING:
    from PIL.Image import Image

PIXELS_MAX = 40_000_000
BYTES_MAX = FILES_BYTES_MAX
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "AVIF")
# What each format can hold in width and height, and readers of it take.
SIDES_MAX = {"png": 2**31 - 1, "jpeg": 65_500, "webp": 16_383, "avif": 32_768, "gif": 65_535}


def read(data: bytes) -> "Image":
    """The first frame of a picture, decoded, as it is in the file.

    Raises ToolError: IMAGE_UNREADABLE, IMAGE_TOO_LARGE (before a pixel is decoded).
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # Pillow warns of sizes beyond our own bound, and of metadata that nobody needs.
            warnings.simplefilter("ignore")
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
            check_pixels(*picture.size)
            picture.load()
            return picture
    except UnidentifiedImageError as error:
        raise ToolError("IMAGE_UNREADABLE", f"the file is not a picture of {', '.join(FORMATS)}") from error
    except Image.DecompressionBombError as error:
        raise ToolError("IMAGE_TOO_LARGE", f"the picture has more than {PIXELS_MAX:,} pixels") from error
    except (ToolError, MemoryError):
        raise
    except Exception as error:
        # Decoders raise whatever comes to hand on bytes that are not what they say.
        raise ToolError("IMAGE_UNREADABLE", "the picture is damaged") from error


def format_of(picture: "Image") -> str:
    """The picture's format in lower case; cameras write JPEG with a second picture in it, which Pillow calls MPO."""
    return "jpeg" if picture.format == "MPO" else str(picture.format).lower()


def check_pixels(width: int, height: int) -> None:
    """Raises ToolError IMAGE_TOO_LARGE where there are more pixels than are worked on."""
    if width * height > PIXELS_MAX:
        raise ToolError(
            "IMAGE_TOO_LARGE", f"the picture has {width:,} × {height:,} pixels, at most {PIXELS_MAX:,} are taken"
        )


def plain(picture: "Image") -> "Image":
    """The picture as it is shown: upright, in sRGB, mode RGB or RGBA, and nothing else in it."""
    from PIL import ImageOps

    # A picture whose EXIF is broken is shown as it lies.
    with contextlib.suppress(Exception):
        ImageOps.exif_transpose(picture, in_place=True)
    profile = picture.info.get("icc_profile")
    if picture.mode.startswith("I;16"):
        # Pillow would cut off what is brighter than 255.
        picture.info.pop("transparency", None)
        picture = picture.point(lambda value: value / 256).convert("L")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
    elif picture.mode not in ("L", "RGB", "CMYK"):
        picture = picture.convert("RGB")
    if profile:
        picture = _in_srgb(picture, profile)
    picture = picture if picture.mode in ("RGB", "RGBA") else picture.convert("RGB")
    picture.info = {}
    return picture


def _in_srgb(picture: "Image", profile: bytes) -> "Image":
    from PIL import ImageCms

    mode = "RGBA" if picture.mode == "RGBA" else "RGB"
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        changed = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError):
        # A profile that is damaged, or for other colours than the picture's, tells nothing.
        return picture
    return changed or picture


def on_white(picture: "Image") -> "Image":
    """The picture with its transparent parts white as paper."""
    from PIL import Image

    if not picture.has_transparency_data:
        return picture
    opaque = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque).convert("RGB")


def encode(picture: "Image", format_name: str, quality: int = 80) -> dict[str, Any]:
    """A plain picture as the output member of a tool: `image` (data: URL), `width`, `height`.

    `format_name` is one of SIDES_MAX; `quality` (1 to 100) counts for jpeg, webp and avif. Raises ToolError
    IMAGE_TOO_LARGE where the format or an output cannot hold the picture.
    """
    width, height = picture.size
    if max(width, height) > SIDES_MAX[format_name]:
        raise ToolError(
            "IMAGE_TOO_LARGE",
            f"the picture has {width:,} × {height:,} pixels, {format_name} holds {SIDES_MAX[format_name]:,} a side",
        )
    options = {"quality": quality} if format_name in ("jpeg", "webp", "avif") else {}
    out = io.BytesIO()
    (on_white(picture) if format_name == "jpeg" else picture).save(out, format_name, **options)
    if out.tell() > BYTES_MAX:
        raise ToolError(
            "IMAGE_TOO_LARGE",
            f"the picture of {width:,} × {height:,} pixels has {out.tell():,} bytes as {format_name}, "
            f"at most {BYTES_MAX:,} can be handed out",
        )
    return {"image": data_url(f"image/{format_name}", out.getvalue()), "width": width, "height": height}
