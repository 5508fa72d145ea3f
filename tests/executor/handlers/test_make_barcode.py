"""Barcodes say what they should, which the reader of barcodes tells."""

import base64
from typing import Any

import pytest
from PIL import Image

from services.executor.handlers import barcode_read, make_barcode
from tests.executor.handlers.picture_samples import refusal, saved, shown

FORMATS = ["QR Code", "Data Matrix", "PDF417", "Aztec", "Code 128"]


def made(text: str, format_name: str, **input: Any) -> dict[str, Any]:
    return make_barcode.run({"text": text, "format": format_name} | input, {})


def read(picture: Image.Image) -> list[tuple[str, str]]:
    """Format and text of what is found."""
    found = barcode_read.run({}, {"image": saved(picture)})["barcodes"]
    return [(one["format"], one["text"]) for one in found]


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_barcode_reads_as_its_text(format_name: str) -> None:
    """Signs that mean something to some programs are only signs."""
    text = r"SCRIP-42 [01] \n <b>"
    output = made(text, format_name)
    assert (read(shown(output)), output["text"]) == ([(format_name, text)], text)


@pytest.mark.parametrize("format_name", ["QR Code", "Data Matrix", "PDF417", "Aztec"])
@pytest.mark.parametrize("text", ["ä" * 30, "日本語", "Привет", "😀 ok"])
def test_letters_of_any_language_are_kept(text: str, format_name: str) -> None:
    """The barcode says that it is UTF-8, so no reader has to guess."""
    assert read(shown(made(text, format_name))) == [(format_name, text)]


@pytest.mark.parametrize("text", ["4006381333931", "400638133393"])
def test_an_ean_gets_its_check_digit(text: str) -> None:
    """The output says what it is."""
    output = made(text, "EAN-13")
    assert (output["text"], read(shown(output))) == ("4006381333931", [("EAN-13", "4006381333931")])


def test_the_scale_is_pixels_a_module() -> None:
    """Twice as much, twice as large."""
    one, two = (shown(made("x", "QR Code", scale=scale)) for scale in (1, 2))
    assert (one.width * 2, one.height * 2) == two.size
    assert read(shown(made("x", "QR Code", scale=20))) == [("QR Code", "x")]


def test_an_svg_has_the_size_that_it_says() -> None:
    """A drawing without scripts, links or text."""
    output = made("x", "QR Code", output="svg", scale=3)
    header, _, data = output["image"].partition(";base64,")
    svg = base64.b64decode(data).decode()
    assert header == "data:image/svg+xml"
    assert f'<svg width="{output["width"]}" height="{output["height"]}"' in svg
    assert not any(tag in svg for tag in ("<script", "<text", "<a ", "href"))


ROWS = [
    ("wrong check digit", "4006381333930", "EAN-13", "Invalid check digit '0', expecting '1'"),
    ("letters", "40063813339ab", "EAN-13", "12 digits, or 13"),
    ("eleven digits", "40063813339", "EAN-13", "the text has 11 characters"),
    ("an addition", "4006381333931+12", "EAN-13", "the text has 16 characters"),
    ("digits of another script", "٤٠٠٦٣٨١٣٣٣٩٣", "EAN-13", "12 digits"),
    ("letters it has not", "日本", "Code 128", "ISO/IEC 8859-1 only"),
    ("too long", "x" * 300, "Code 128", "too long"),
    ("too long", "x" * 5_000, "QR Code", "too long"),
    ("too long", "x" * 5_000, "Data Matrix", "too long"),
    ("too long", "x" * 5_000, "PDF417", "too long"),
    ("too long", "x" * 5_000, "Aztec", "too long"),
]


@pytest.mark.parametrize(
    ("text", "format_name", "what"), [row[1:] for row in ROWS], ids=[f"{row[0]}, {row[2]}" for row in ROWS]
)
def test_a_text_that_a_format_cannot_hold_is_the_callers(text: str, format_name: str, what: str) -> None:
    """With what is wrong, and none of the library's numbers."""
    refused = refusal(make_barcode.run, {"text": text, "format": format_name})
    assert (refused.reason, "retval" in refused.message) == ("TEXT_UNSUITABLE", False)
    assert refused.message.startswith(format_name)
    assert what in refused.message
