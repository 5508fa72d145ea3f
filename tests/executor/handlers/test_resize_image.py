"""Pictures in other sizes."""

from typing import Any

import pytest
from PIL import Image

from services.executor.handlers import resize_image
from tests.executor.handlers.picture_samples import animation, halves, hostile_pictures, refusal, saved, shown


def resized(picture: Image.Image | bytes, **input: Any) -> Image.Image:
    """What comes out."""
    data = picture if isinstance(picture, bytes) else saved(picture)
    return shown(resize_image.run(input, {"image": data}))


@pytest.mark.parametrize(
    ("wanted", "size"),
    [
        ({"width": 20}, (20, 10)),
        ({"height": 20}, (40, 20)),
        ({"width": 400}, (400, 200)),
        ({"width": 20, "height": 20}, (20, 10)),
        ({"width": 100, "height": 20, "fit": "contain"}, (40, 20)),
        ({"width": 20, "height": 20, "fit": "cover"}, (20, 20)),
        ({"width": 20, "height": 20, "fit": "exact"}, (20, 20)),
        ({"width": 20, "fit": "cover"}, (20, 10)),
        ({"height": 5, "fit": "exact"}, (10, 5)),
    ],
)
def test_the_size_follows_from_what_is_wanted(wanted: dict[str, Any], size: tuple[int, int]) -> None:
    """One side alone keeps the ratio, whatever the fit."""
    assert resized(halves((40, 20)), **wanted).size == size


def test_cover_cuts_what_sticks_out_and_exact_does_not() -> None:
    """Of thirds in red, white and blue, the white one is in the middle."""
    thirds = Image.new("RGB", (90, 30), "white")
    thirds.paste("red", (0, 0, 30, 30))
    thirds.paste("blue", (60, 0, 90, 30))
    assert resized(thirds, width=30, height=30, fit="cover").getpixel((1, 15)) == (255, 255, 255)
    assert resized(thirds, width=30, height=30, fit="exact").getpixel((1, 15)) == (255, 0, 0)


def test_a_thin_picture_keeps_a_pixel() -> None:
    """However small it is made."""
    assert resized(Image.new("RGB", (1, 1_000)), width=10, height=10).size == (1, 10)


@pytest.mark.parametrize(
    ("given", "wanted", "made"),
    [
        ("JPEG", None, "JPEG"),
        ("WEBP", None, "WEBP"),
        ("AVIF", None, "AVIF"),
        ("GIF", None, "GIF"),
        ("BMP", None, "PNG"),
        ("JPEG", "webp", "WEBP"),
    ],
)
def test_the_format_stays_unless_another_is_wanted(given: str, wanted: str | None, made: str) -> None:
    """BMP is read only."""
    format_wanted = {"format": wanted} if wanted else {}
    assert resized(saved(halves(), given), width=8, **format_wanted).format == made


def test_a_picture_is_turned_upright_first() -> None:
    """Width and height are those that are seen."""
    exif = Image.Exif()
    exif[0x0112] = 8
    assert resized(saved(halves((40, 20)), "JPEG", exif=exif), width=10).size == (10, 20)


def test_transparency_stays() -> None:
    """In a format that has it."""
    assert resized(Image.new("RGBA", (8, 8), (255, 0, 0, 0)), width=4).getpixel((2, 2))[3] == 0


def test_of_an_animation_comes_the_first_frame() -> None:
    """And only that."""
    picture = resized(animation("GIF"), width=8)
    assert (getattr(picture, "n_frames", 1), picture.convert("RGB").getpixel((4, 4))) == (1, (255, 0, 0))


def test_a_side_that_would_be_too_long_is_told_in_numbers() -> None:
    """The other side of a thin picture."""
    refused = refusal(resize_image.run, {"width": 100}, image=saved(Image.new("L", (10, 601))))
    assert refused.reason == "IMAGE_TOO_LARGE"
    assert refused.message == "the picture would have 100 × 6,010 pixels, at most 6,000 a side are made"


@hostile_pictures
def test_a_picture_that_cannot_be_read_is_the_callers(data: bytes, reason: str) -> None:
    """With a reason that a program can tell."""
    assert refusal(resize_image.run, {"width": 10}, image=data).reason == reason
