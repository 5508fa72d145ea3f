"""Pictures are read within bounds, and come out plain."""

import numpy
import pytest
from PIL import Image, ImageCms

from services.executor.material import pictures
from services.executor.material.errors import ToolError
from tests.executor.handlers.picture_samples import (
    animation,
    halves,
    hostile_pictures,
    saved,
    shown,
)

FORMATS = ["PNG", "JPEG", "GIF", "WEBP", "BMP", "AVIF"]


@pytest.mark.parametrize("format_name", FORMATS)
def test_every_format_taken_is_read(format_name: str) -> None:
    """And nothing else: Pillow could read some fifty."""
    assert tuple(FORMATS) == pictures.FORMATS
    picture = pictures.read(saved(halves(), format_name))
    assert (pictures.format_of(picture), picture.size) == (format_name.lower(), (40, 20))


@hostile_pictures
def test_a_picture_that_cannot_be_read_is_the_callers(data: bytes, reason: str) -> None:
    """With a reason that a program can tell; too many pixels are refused before any is decoded."""
    with pytest.raises(ToolError) as refused:
        pictures.read(data)
    assert refused.value.reason == reason


def test_too_many_pixels_are_told_in_numbers() -> None:
    """The size and the limit."""
    with pytest.raises(ToolError, match="10,000 × 4,001 pixels, at most 40,000,000"):
        pictures.check_pixels(10_000, 4_001)
    pictures.check_pixels(10_000, 4_000)


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_damaged_picture_never_does_worse_than_be_refused(format_name: str) -> None:
    """Every few bytes are turned over, in thirty ways."""
    whole = saved(halves((60, 50)), format_name)
    for step in range(7, 400, 13):
        data = bytearray(whole)
        for at in range(step, len(data), step):
            data[at] ^= 0xFF
        try:
            pictures.plain(pictures.read(bytes(data)))
        except ToolError as refused:
            assert refused.reason in ("IMAGE_UNREADABLE", "IMAGE_TOO_LARGE")


def test_an_animation_is_its_first_frame() -> None:
    """Whatever follows is not looked at."""
    for format_name in ("GIF", "WEBP", "AVIF", "PNG"):
        red, green, _ = pictures.plain(pictures.read(animation(format_name))).getpixel((8, 8))
        assert (red > 200, green < 50) == (True, True)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "I;16"])
def test_a_picture_of_any_mode_becomes_colours(mode: str) -> None:
    """With transparency, if it had any."""
    grey = Image.new("L", (8, 8), 255)
    if mode == "I;16":
        picture = Image.fromarray(numpy.full((8, 8), 0xFFFF, "uint16"))
    else:
        picture = grey.convert("RGBA").convert(mode) if mode == "PA" else grey.convert(mode)
    plain = pictures.plain(picture)
    assert plain.mode == ("RGBA" if mode in ("LA", "PA", "RGBA") else "RGB")
    assert plain.convert("RGB").getpixel((4, 4)) == (255, 255, 255)


def test_sixteen_bits_of_grey_become_eight() -> None:
    """Half as bright stays half as bright."""
    picture = Image.fromarray(numpy.full((8, 8), 0x8000, "uint16"))
    assert pictures.plain(pictures.read(saved(picture))).getpixel((4, 4)) == (128, 128, 128)


def test_a_picture_is_turned_upright() -> None:
    """As its EXIF says: the red half is on top."""
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = pictures.plain(pictures.read(saved(halves(), "PNG", exif=exif)))
    assert (upright.size, upright.getpixel((5, 5)), upright.getpixel((5, 35))) == ((20, 40), (255, 0, 0), (0, 0, 255))


@pytest.mark.parametrize("exif", [b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0garbage", b"Exif\0\0"])
def test_a_picture_with_broken_exif_is_shown_as_it_lies(exif: bytes) -> None:
    """It is a picture all the same."""
    assert pictures.plain(pictures.read(saved(halves(), "JPEG", exif=exif))).size == (40, 20)


def test_colours_of_a_profile_become_those_of_srgb() -> None:
    """In a profile that calls blue what others call red, red is blue."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"xXYZ").replace(b"bXYZ", b"rXYZ").replace(b"xXYZ", b"bXYZ")
    for picture in (halves(), halves().convert("RGBA")):
        red, green, blue = pictures.plain(pictures.read(saved(picture, icc_profile=swapped))).getpixel((5, 5))[:3]
        assert (red < 10, green < 10, blue > 245) == (True, True, True)


def test_a_broken_profile_counts_for_nothing() -> None:
    """The colours stay as they are."""
    picture = pictures.plain(pictures.read(saved(halves(), "PNG", icc_profile=b"no profile")))
    assert picture.getpixel((5, 5)) == (255, 0, 0)


def test_nothing_but_the_picture_comes_out() -> None:
    """No EXIF, no profile, no comment."""
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    plain = pictures.plain(pictures.read(saved(halves(), "JPEG", exif=exif, comment=b"secret", dpi=(300, 300))))
    for format_name in pictures.SIDES_MAX:
        made = shown(pictures.encode(plain, format_name))
        assert not dict(made.getexif())
        assert not made.info.keys() & {"exif", "comment", "icc_profile", "dpi"}


def test_transparent_parts_are_white_where_a_format_has_none() -> None:
    """As on paper."""
    output = pictures.encode(Image.new("RGBA", (8, 8), (0, 0, 0, 0)), "jpeg")
    assert shown(output).getpixel((4, 4)) == (255, 255, 255)


def test_what_an_output_cannot_hold_is_told_in_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than made for nothing."""
    monkeypatch.setattr(pictures, "BYTES_MAX", 100_000)
    noise = Image.effect_noise((400, 400), 200)
    with pytest.raises(ToolError, match=r"400 × 400 pixels has [0-9,]+ bytes as png, at most 100,000"):
        pictures.encode(noise, "png")


@pytest.mark.parametrize("format_name", ["jpeg", "webp", "avif", "gif"])
def test_a_side_that_a_format_cannot_hold_is_told_in_numbers(format_name: str) -> None:
    """Its longest is still made."""
    longest = pictures.SIDES_MAX[format_name]
    assert shown(pictures.encode(Image.new("RGB", (longest, 1)), format_name)).width == longest
    with pytest.raises(ToolError, match=f"{longest + 1:,} × 1 pixels, {format_name} holds {longest:,} a side"):
        pictures.encode(Image.new("RGB", (longest + 1, 1)), format_name)
