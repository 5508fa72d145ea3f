"""What a picture is: its format, its size, its camera. Where it was taken is not told."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from services.executor.material import pictures

if TYPE_CHECKING:
    from PIL.Image import Image

CAMERA_CHARS_MAX = 100
# EXIF orientations that swap width and height.
TURNED = (5, 6, 7, 8)


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """What is known of `image`, in the size in which it is shown; what is not in the file is null."""
    picture = pictures.read(files["image"])
    orientation, camera, taken_at = _exif(picture)
    width, height = picture.size
    if orientation in TURNED:
        width, height = height, width
    return {
        "format": pictures.format_of(picture),
        "width": width,
        "height": height,
        "has_alpha": picture.has_transparency_data,
        "frames": _frames(picture),
        "dpi": _dpi(picture.info.get("dpi")),
        "camera": camera,
        "taken_at": taken_at,
    }


def _frames(picture: "Image") -> int:
    try:
        return int(getattr(picture, "n_frames", 1))
    except Exception:  # noqa: BLE001 (readers raise whatever comes to hand)
        # The first frame is good, or it would not have been read; how many follow, nobody can tell.
        return 1


def _dpi(dpi: Any) -> int | None:
    """Dots per inch across; files hold them per metre, so 299.9994 is 300."""
    try:
        return round(float(dpi[0])) or None
    except (TypeError, ValueError, IndexError, OverflowError, ZeroDivisionError):
        return None


def _exif(picture: "Image") -> tuple[int, str | None, str | None]:
    """Orientation, camera and time; EXIF that is broken tells nothing."""
    from PIL.ExifTags import IFD, Base

    try:
        exif = picture.getexif()
        make, model = _text(exif.get(Base.Make)), _text(exif.get(Base.Model))
        taken = _text(exif.get_ifd(IFD.Exif).get(Base.DateTimeOriginal))
        orientation = exif.get(Base.Orientation, 1)
    except Exception:  # noqa: BLE001 (readers raise whatever comes to hand)
        return 1, None, None
    # Many models begin with the maker's name.
    camera = model if model.lower().startswith(make.lower()) else f"{make} {model}".strip()
    return orientation, camera or None, _iso(taken)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        return ""
    printable = "".join(character if character.isprintable() else " " for character in value)
    return " ".join(printable.split())[:CAMERA_CHARS_MAX]


def _iso(taken: str) -> str | None:
    """ISO 8601 of EXIF's `2026:03:14 15:09:26`: the camera's clock, of no known zone."""
    try:
        return datetime.strptime(taken, "%Y:%m:%d %H:%M:%S").isoformat()  # noqa: DTZ007
    except ValueError:
        return None
