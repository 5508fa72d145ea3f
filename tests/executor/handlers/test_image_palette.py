"""The main colours of pictures."""

from typing import Any

import pytest
from PIL import Image

from services.executor.handlers import image_palette
from tests.executor.handlers.picture_samples import animation, halves, hostile_pictures, refusal, saved


def palette(picture: Image.Image | bytes, **input: Any) -> list[tuple[str, float]]:
    """Colours and shares."""
    data = picture if isinstance(picture, bytes) else saved(picture)
    return [(one["hex"], one["share"]) for one in image_palette.run(input, {"image": data})["colors"]]


def flag() -> Image.Image:
    """Six tenths white, three red, one blue."""
    picture = Image.new("RGB", (100, 10), "white")
    picture.paste("red", (0, 0, 30, 10))
    picture.paste("blue", (30, 0, 40, 10))
    return picture


def test_colours_come_with_their_shares_the_largest_first() -> None:
    """A picture of three colours has three, though five are asked for."""
    assert palette(flag()) == [("#ffffff", 0.6), ("#ff0000", 0.3), ("#0000ff", 0.1)]


@pytest.mark.parametrize(
    ("colors", "expected"),
    [(1, [("#ffffff", 1.0)]), (2, [("#ffffff", 0.6), ("#ff0000", 0.4)]), (16, palette(flag()))],
)
def test_fewer_colours_are_those_that_change_the_picture_least(colors: int, expected: list[tuple[str, float]]) -> None:
    """They are colours of the picture, not mixtures; the shares are of the whole."""
    assert palette(flag(), colors=colors) == expected


def test_a_picture_of_many_colours_gives_as_many_as_are_wanted() -> None:
    """Their shares add up."""
    rainbow = Image.merge("RGB", [Image.linear_gradient("L"), Image.radial_gradient("L"), Image.new("L", (256, 256))])
    found = palette(rainbow, colors=7)
    assert len(found) == len({color for color, _ in found}) == 7
    assert sum(share for _, share in found) == pytest.approx(1, abs=0.001)
    assert [share for _, share in found] == sorted((share for _, share in found), reverse=True)


def test_transparent_parts_do_not_count() -> None:
    """Whatever colour they would have."""
    picture = halves((40, 20)).convert("RGBA")
    picture.paste((0, 255, 0, 0), (0, 0, 20, 20))
    assert palette(picture) == [("#0000ff", 1.0)]


def test_a_large_picture_is_looked_at_in_samples() -> None:
    """The shares stay."""
    assert palette(halves((4_000, 3_000)).convert("P")) == [("#ff0000", 0.5), ("#0000ff", 0.5)]


def test_of_an_animation_the_first_frame_counts() -> None:
    """As the description says."""
    assert palette(animation("GIF")) == [("#ff0000", 1.0)]


def test_a_picture_without_a_pixel_to_see_has_no_colours() -> None:
    """That is the caller's."""
    clear = saved(Image.new("RGBA", (4, 4), (0, 0, 0, 0)))
    assert refusal(image_palette.run, {}, image=clear).reason == "IMAGE_TRANSPARENT"


@hostile_pictures
def test_a_picture_that_cannot_be_read_is_the_callers(data: bytes, reason: str) -> None:
    """With a reason that a program can tell."""
    assert refusal(image_palette.run, {}, image=data).reason == reason
