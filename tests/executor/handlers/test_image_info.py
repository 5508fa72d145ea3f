"""What is told of a picture, and what is not."""

import json
from typing import Any

import pytest
from PIL import Image

from services.executor.handlers import image_info
from tests.executor.handlers.picture_samples import animation, halves, hostile_pictures, refusal, saved


def info(data: bytes) -> dict[str, Any]:
    output = image_info.run({}, {"image": data})
    assert json.loads(json.dumps(output)) == output
    return output


def photo(orientation: int = 1, taken: str = "2026:03:14 15:09:26", model: str = "Pinhole 1") -> bytes:
    """A JPEG with what a camera writes, where it stood among it."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0112] = "Scrip\0", model, orientation
    exif.get_ifd(0x8769)[0x9003] = taken
    exif.get_ifd(0x8825)[2] = (48.0, 12.0, 30.0)
    return saved(halves(), "JPEG", exif=exif, dpi=(300, 300))


def test_a_photo_tells_its_camera_and_time() -> None:
    """In the form of ISO 8601."""
    assert info(photo()) == {
        "format": "jpeg",
        "width": 40,
        "height": 20,
        "has_alpha": False,
        "frames": 1,
        "dpi": 300,
        "camera": "Scrip Pinhole 1",
        "taken_at": "2026-03-14T15:09:26",
    }


def test_where_a_photo_was_taken_is_not_told() -> None:
    """The degrees are in the file, and not in the answer."""
    assert "48" not in json.dumps(info(photo()))


def test_the_size_is_the_one_that_is_seen() -> None:
    """A photo taken upright is stored lying down."""
    assert [(info(photo(turn))["width"], info(photo(turn))["height"]) for turn in (1, 3, 6, 8)] == [
        (40, 20),
        (40, 20),
        (20, 40),
        (20, 40),
    ]


@pytest.mark.parametrize("format_name", ["PNG", "GIF", "WEBP", "AVIF", "BMP"])
def test_what_a_file_does_not_say_is_null(format_name: str) -> None:
    """A drawing has no camera."""
    found = info(saved(halves(), format_name))
    assert found["format"] == format_name.lower()
    assert (found["camera"], found["taken_at"]) == (None, None)


def test_a_model_that_names_its_maker_is_not_named_twice() -> None:
    """Half of the cameras do it."""
    assert info(photo(model="SCRIP Box"))["camera"] == "SCRIP Box"


@pytest.mark.parametrize("taken", ["", "0000:00:00 00:00:00", "yesterday", "2026:13:45 99:00:00"])
def test_a_time_that_is_none_is_null(taken: str) -> None:
    """Cameras whose clock was never set write such."""
    assert info(photo(taken=taken))["taken_at"] is None


def test_a_camera_with_a_long_name_or_strange_signs_is_told_in_part() -> None:
    """At most a hundred printable characters each."""
    camera = info(photo(model="\x1b[31m" + "x" * 5_000))["camera"]
    assert camera == "Scrip [31m" + "x" * 96


@pytest.mark.parametrize(("mode", "has_alpha"), [("RGB", False), ("L", False), ("RGBA", True), ("LA", True)])
def test_transparency_is_told(mode: str, has_alpha: bool) -> None:
    """Whether there could be any."""
    assert info(saved(halves().convert(mode)))["has_alpha"] is has_alpha


@pytest.mark.parametrize("format_name", ["GIF", "WEBP", "AVIF", "PNG"])
def test_frames_of_an_animation_are_counted(format_name: str) -> None:
    """Though only the first is decoded."""
    assert info(animation(format_name))["frames"] == 3


def test_a_hundred_thousand_frames_are_counted_without_being_drawn() -> None:
    """A small file can hold very many."""
    small = saved(Image.new("P", (2, 2)), "GIF")
    at = small.index(b",")
    assert info(small[:at] + small[at:-1] * 100_000 + b";")["frames"] == 100_000


@pytest.mark.parametrize("exif", [b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0garbage", b"Exif\0\0MM\0*" + bytes(400)])
def test_broken_exif_tells_nothing(exif: bytes) -> None:
    """The picture is good all the same."""
    found = info(saved(halves(), "JPEG", exif=exif))
    assert (found["width"], found["camera"], found["taken_at"]) == (40, None, None)


@hostile_pictures
def test_a_picture_that_cannot_be_read_is_the_callers(data: bytes, reason: str) -> None:
    """With a reason that a program can tell."""
    assert refusal(image_info.run, {}, image=data).reason == reason
