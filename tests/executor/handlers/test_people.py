"""People in pictures: their faces, and what is left without the rest."""

import io
import sys

import numpy
import pytest
from PIL import Image

from services.executor.handlers import cut_out_person, detect_faces
from services.executor.material import people
from tests.executor.handlers.extras import example_file, needs
from tests.executor.handlers.picture_samples import halves, hostile_pictures, refusal, saved, shown

pytestmark = needs("mediapipe")


def portrait() -> Image.Image:
    """A woman whose face is in the middle, a little above."""
    return Image.open(io.BytesIO(example_file("detect-faces", "image"))).convert("RGB")


def test_a_face_is_found_where_it_is() -> None:
    """Eyes above the nose, the nose above the mouth, all within the box."""
    output = detect_faces.run({}, {"image": saved(portrait())})
    (face,) = output["faces"]
    box, points = face["box"], face["points"]
    assert face["confidence"] > 0.7
    assert points["right_eye"]["x"] < points["nose"]["x"] < points["left_eye"]["x"]
    assert points["right_eye"]["y"] < points["nose"]["y"] < points["mouth"]["y"]
    assert all(box["x"] <= point["x"] <= box["x"] + box["width"] for point in points.values())
    assert (output["width"], output["height"]) == portrait().size


def test_places_are_pixels_of_the_picture_as_it_is_given() -> None:
    """However large; it is made smaller only to be looked at."""
    small = detect_faces.run({}, {"image": saved(portrait())})["faces"][0]["points"]["nose"]
    large = detect_faces.run({}, {"image": saved(portrait().resize((2_240, 2_240)))})["faces"][0]["points"]["nose"]
    assert (large["x"] / 20, large["y"] / 20) == pytest.approx((small["x"], small["y"]), abs=3)


def test_two_faces_are_both_found() -> None:
    """The surest first."""
    pair = Image.new("RGB", (448, 224), "white")
    pair.paste(portrait().resize((224, 224)), (0, 0))
    pair.paste(portrait().resize((224, 224)), (224, 0))
    faces = detect_faces.run({}, {"image": saved(pair)})["faces"]
    assert len(faces) == 2
    assert faces[0]["confidence"] >= faces[1]["confidence"]


@pytest.mark.parametrize("picture", [halves(), Image.new("RGB", (1, 1)), Image.effect_noise((200, 200), 50)])
def test_a_picture_without_faces_has_none(picture: Image.Image) -> None:
    """The work was done."""
    assert detect_faces.run({}, {"image": saved(picture)})["faces"] == []


def test_a_person_stays_and_the_rest_becomes_transparent() -> None:
    """In the size that the picture had."""
    output = cut_out_person.run({"format": "png"}, {"image": saved(portrait())})
    alpha = numpy.asarray(shown(output).getchannel("A"))
    assert alpha.shape == (112, 112)
    assert (alpha[50:70, 45:65].min() > 200, alpha[:10, :10].max() < 50) == (True, True)
    assert output["share"] == pytest.approx(alpha.mean() / 255, abs=0.01)


def test_one_picture_does_not_show_in_the_next() -> None:
    """What was seen is forgotten."""
    first = cut_out_person.run({}, {"image": saved(portrait())})
    cut_out_person.run({}, {"image": saved(Image.new("RGB", (112, 112), "white"))})
    assert cut_out_person.run({}, {"image": saved(portrait())}) == first


def test_nothing_stands_in_for_other_packages_afterwards() -> None:
    """A tool that wants the real ones gets them, or is told that they are missing."""
    people.solutions()
    assert not [
        name for name in people.NOT_CALLED if name in sys.modules and not hasattr(sys.modules[name], "__file__")
    ]


@hostile_pictures
def test_a_picture_that_cannot_be_read_is_the_callers(data: bytes, reason: str) -> None:
    """Of both tools."""
    assert refusal(detect_faces.run, {}, image=data).reason == reason
    assert refusal(cut_out_person.run, {}, image=data).reason == reason
