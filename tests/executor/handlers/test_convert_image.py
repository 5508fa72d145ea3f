"""Pictures in other formats."""

from itertools import product

import pytest
from PIL import Image

from services.executor.handlers import convert_image
from services.executor.material import pictures
from tests.executor.handlers.picture_samples import animation, halves, hostile_pictures, refusal, saved, shown


@pytest.mark.parametrize(
    ("given", "wanted"),
    list(product(["PNG", "JPEG", "GIF", "WEBP", "BMP", "AVIF"], ["png", "jpeg", "webp", "avif", "gif"])),
)
def test_every_format_becomes_every_other(given: str, wanted: str) -> None:
    """The left half stays red, the right one blue."""
    made = shown(convert_image.run({"format": wanted}, {"image": saved(halves(), given)}))
    assert str(made.format).lower() == wanted
    (red, _, _), (_, _, blue) = made.convert("RGB").getpixel((5, 10)), made.convert("RGB").getpixel((35, 10))
    assert (red > 220, blue > 220) == (True, True)


@pytest.mark.parametrize("format_name", ["jpeg", "webp", "avif"])
def test_less_quality_makes_a_smaller_file(format_name: str) -> None:
    """Of the same picture."""
    data = saved(Image.effect_noise((64, 64), 50))
    low, high = (convert_image.run({"format": format_name, "quality": q}, {"image": data})["image"] for q in (10, 95))
    assert len(low) < len(high)


@pytest.mark.parametrize("format_name", ["GIF", "WEBP", "AVIF", "PNG"])
def test_of_an_animation_comes_the_first_frame(format_name: str) -> None:
    """As the description says."""
    made = shown(convert_image.run({"format": "webp"}, {"image": animation(format_name)}))
    red, green, _ = made.convert("RGB").getpixel((8, 8))
    assert (getattr(made, "n_frames", 1), red > 200, green < 50) == (1, True, True)


@pytest.mark.parametrize(("format_name", "alpha"), [("png", 0), ("webp", 0), ("avif", 0), ("gif", 0), ("jpeg", None)])
def test_transparency_stays_where_there_is_any(format_name: str, alpha: int | None) -> None:
    """In JPEG it becomes white."""
    clear = saved(Image.new("RGBA", (16, 16), (255, 0, 0, 0)))
    made = shown(convert_image.run({"format": format_name}, {"image": clear}))
    if alpha is None:
        assert made.getpixel((8, 8)) == (255, 255, 255)
    else:
        assert made.convert("RGBA").getpixel((8, 8))[3] == alpha


def test_what_no_output_can_hold_is_told_in_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the way out: another format, or less quality."""
    monkeypatch.setattr(pictures, "BYTES_MAX", 100_000)
    noise = saved(Image.effect_noise((400, 400), 200), "JPEG", quality=30)
    refused = refusal(convert_image.run, {"format": "png"}, image=noise)
    assert refused.reason == "IMAGE_TOO_LARGE"
    assert "at most 100,000 can be handed out" in refused.message


@hostile_pictures
def test_a_picture_that_cannot_be_read_is_the_callers(data: bytes, reason: str) -> None:
    """With a reason that a program can tell."""
    assert refusal(convert_image.run, {"format": "png"}, image=data).reason == reason
