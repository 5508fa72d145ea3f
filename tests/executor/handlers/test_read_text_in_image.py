"""Printed text in pictures."""

from PIL import Image, ImageDraw, ImageFont

from services.executor.handlers import read_text_in_image
from tests.executor.handlers.extras import example_file, needs
from tests.executor.handlers.picture_samples import hostile_pictures, refusal, saved

pytestmark = needs(programs=("tesseract",))


def printed(text: str, color: str = "black") -> Image.Image:
    """Black on nothing."""
    sheet = Image.new("RGBA", (700, 160), (0, 0, 0, 0))
    ImageDraw.Draw(sheet).multiline_text((20, 20), text, fill=color, font=ImageFont.load_default(32))
    return sheet


def read(data: bytes) -> str:
    text: str = read_text_in_image.run({"language": "eng"}, {"image": data})["text"]
    return text


def test_printed_lines_are_read() -> None:
    """As they stand."""
    assert read(saved(printed("Where words fail,\nmusic speaks."))) == "Where words fail,\nmusic speaks."


def test_the_example_is_read() -> None:
    """An invoice."""
    assert read(example_file("read-text-in-image", "image")) == "Invoice No. 1042\nTotal due: $49.90"


def test_a_picture_is_turned_upright_first() -> None:
    """As its EXIF says."""
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = printed("Hello upright world").rotate(90, expand=True)
    assert read(saved(lying, exif=exif)) == "Hello upright world"


def test_a_picture_without_text_gives_none() -> None:
    """The work was done."""
    assert read(saved(Image.new("RGB", (200, 100), "white"))) == ""


def test_a_tiny_picture_gives_none() -> None:
    """Rather than a failure."""
    assert read(saved(Image.new("RGB", (1, 1), "white"))) == ""


@hostile_pictures
def test_a_picture_that_cannot_be_read_is_the_callers(data: bytes, reason: str) -> None:
    """It never reaches the program."""
    assert refusal(read_text_in_image.run, {}, image=data).reason == reason
