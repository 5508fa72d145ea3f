"""The handlers on real files, and on files that would do harm."""

import io
import json
import pickle
import struct
import subprocess
import sys
import zlib
from collections.abc import Sequence
from typing import Any

import numpy
import pytest
import zxingcpp
from PIL import Image

from services.executor.handlers import barcode_read, detect_language, echo, pdf_to_text
from services.executor.material.errors import ToolError


def pdf(*pages: str) -> bytes:
    """A PDF with one line of text on each page, written by hand."""
    kids = " ".join(f"{4 + 2 * index} 0 R" for index in range(len(pages)))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>".encode(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
    ]
    for index, text in enumerate(pages):
        stream = b"BT /F1 12 Tf 20 50 Td (" + text.encode("cp1252") + b") Tj ET"
        objects += [
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 500 100]/Contents {5 + 2 * index} 0 R"
            "/Resources<</Font<</F1 3 0 R>>>>>>".encode(),
            b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
        ]
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj%s\nendobj\n" % (number, body)
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    table += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    trailer = b"trailer<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n"
    return out + table + trailer % (len(objects) + 1, b"", len(out))


def barcode(text: str, kind: Any = zxingcpp.QRCode, scale: int = 4) -> Image.Image:
    """A picture of a barcode, in grey."""
    return Image.fromarray(numpy.array(zxingcpp.write_barcode_to_image(zxingcpp.create_barcode(text, kind), scale)))


def saved(picture: Image.Image, format_name: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, format_name, **options)
    return out.getvalue()


def png_of(width: int, height: int) -> bytes:
    """A PNG that says it has so many pixels, and is small because they are all the same."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    body = zlib.compress(bytes(1_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def read(data: bytes) -> list[dict[str, Any]]:
    """What barcode_read finds."""
    output = barcode_read.run({}, {"image": data})
    assert json.loads(json.dumps(output)) == output
    found: list[dict[str, Any]] = output["barcodes"]
    return found


def test_the_text_of_a_pdf_comes_page_by_page() -> None:
    """Pages are parted by a form feed."""
    output = pdf_to_text.run({}, {"pdf": pdf("Hello, Scrip!", "Grüße für 5 €")})
    assert output == {"text": "Hello, Scrip!\fGrüße für 5 €", "page_count": 2}


def test_a_page_without_text_gives_none() -> None:
    """It is no error: a scan is a PDF too."""
    assert pdf_to_text.run({}, {"pdf": pdf("")}) == {"text": "", "page_count": 1}


PDF_ROWS = [
    ("nothing", b"", "PDF_UNREADABLE"),
    ("no PDF", b"hello", "PDF_UNREADABLE"),
    ("cut off", pdf("x")[:60], "PDF_UNREADABLE"),
    ("too many pages", pdf(*["x"] * (pdf_to_text.PAGES_MAX + 1)), "PDF_TOO_LONG"),
]


@pytest.mark.parametrize(("data", "reason"), [row[1:] for row in PDF_ROWS], ids=[row[0] for row in PDF_ROWS])
def test_a_pdf_that_cannot_be_read_is_the_callers(data: bytes, reason: str) -> None:
    """With a reason that a program can tell, and nothing internal."""
    with pytest.raises(ToolError) as refused:
        pdf_to_text.run({}, {"pdf": data})
    assert refused.value.reason == reason


def test_a_pdf_with_a_password_says_so() -> None:
    """The caller can then take it off."""
    with pytest.raises(ToolError) as refused:
        pdf_to_text.run({}, {"pdf": encrypted_pdf()})
    assert refused.value.reason == "PDF_ENCRYPTED"


def encrypted_pdf() -> bytes:
    """A PDF whose password nobody has: its check values fit none."""
    entry = b"/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<%s>/U<%s>>>/ID[<00><00>]" % (b"11" * 32, b"22" * 32)
    return pdf("x").replace(b">>\nstartxref", entry + b">>\nstartxref")


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "GIF", "WEBP", "BMP"])
def test_a_barcode_is_read_from_every_format_taken(format_name: str) -> None:
    """With its corners in pixels, going round from the top left."""
    (found,) = read(saved(barcode("https://example.com/scrip"), format_name))
    assert (found["format"], found["text"]) == ("QR Code", "https://example.com/scrip")
    corners = [(corner["x"], corner["y"]) for corner in found["corners"]]
    assert corners[0][0] < corners[1][0]
    assert corners[1][1] < corners[2][1]


@pytest.mark.parametrize(
    ("kind", "text"),
    [(zxingcpp.EAN13, "4006381333931"), (zxingcpp.Code128, "SCRIP-42"), (zxingcpp.DataMatrix, "ä€😀")],
)
def test_other_kinds_are_read_too(kind: Any, text: str) -> None:
    """Products, parcels, parts."""
    assert [found["text"] for found in read(saved(barcode(text, kind)))] == [text]


def test_several_barcodes_on_one_picture_are_all_read() -> None:
    """A transparent background counts as white."""
    one, other = barcode("one").convert("RGBA"), barcode("other").convert("RGBA")
    sheet = Image.new("RGBA", (400, 200), (0, 0, 0, 0))
    sheet.paste(one, (10, 10))
    sheet.paste(other, (210, 10))
    assert sorted(found["text"] for found in read(saved(sheet))) == ["one", "other"]


def test_a_picture_without_barcode_gives_an_empty_list() -> None:
    """The work was done."""
    assert read(saved(Image.new("RGB", (50, 50), "white"))) == []


IMAGE_ROWS: Sequence[tuple[str, bytes, str]] = [
    ("nothing", b"", "IMAGE_UNREADABLE"),
    ("no picture", b"hello", "IMAGE_UNREADABLE"),
    ("a PDF", pdf("x"), "IMAGE_UNREADABLE"),
    ("a format not taken", saved(Image.new("L", (4, 4)), "TIFF"), "IMAGE_UNREADABLE"),
    ("cut off", saved(barcode("x"))[:60], "IMAGE_UNREADABLE"),
    ("more pixels than taken", png_of(10_000, 4_001), "IMAGE_TOO_LARGE"),
    ("a hundred megapixels", png_of(10_000, 10_000), "IMAGE_TOO_LARGE"),
    ("a bomb", png_of(2**31 - 1, 2**31 - 1), "IMAGE_TOO_LARGE"),
]


@pytest.mark.parametrize(("data", "reason"), [row[1:] for row in IMAGE_ROWS], ids=[row[0] for row in IMAGE_ROWS])
def test_a_picture_that_cannot_be_read_is_the_callers(data: bytes, reason: str) -> None:
    """Too many pixels are refused before any is decoded."""
    with pytest.raises(ToolError) as refused:
        barcode_read.run({}, {"image": data})
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Where words fail, music speaks.", "en"),
        ("Wo die Sprache aufhört, fängt die Musik an.", "de"),
        ("La vie est belle quand on la partage avec des amis.", "fr"),
        ("吾輩は猫である。名前はまだ無い。", "ja"),
        ("Быть или не быть, вот в чём вопрос.", "ru"),
        ("12345 + 67 = ?", "zxx"),
        ("1234", "und"),
    ],
)
def test_the_language_of_a_text(text: str, language: str) -> None:
    """The likeliest first, probabilities between 0 and 1 and falling."""
    output = detect_language.run({"text": text}, {})
    assert output["language"] == language
    chances = [output["probability"], *(one["probability"] for one in output["alternatives"])]
    assert chances == sorted(chances, reverse=True)
    assert all(0 <= chance <= 1 for chance in chances)
    assert json.loads(json.dumps(output)) == output


@pytest.mark.parametrize(("delay", "seconds"), [(None, 0), (0, 0), (0.01, 1)])
def test_an_echo_answers_and_counts_seconds_begun(delay: float | None, seconds: int) -> None:
    """Seconds are what is charged."""
    extra = {} if delay is None else {"delay_seconds": delay}
    assert echo.run({"message": "hi", "outcome": "success"} | extra, {}) == {"message": "hi", "seconds": seconds}


def test_an_echo_fails_when_asked_to() -> None:
    """As the tool's own failure, not the caller's."""
    with pytest.raises(RuntimeError):
        echo.run({"message": "hi", "outcome": "failure"}, {})


def test_an_echo_kills_its_process_when_asked_to() -> None:
    """As a crash of the worker would."""
    code = "from services.executor.handlers import echo; echo.run({'message': 'hi', 'outcome': 'crash'}, {})"
    assert subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode == -9


def test_a_tool_error_travels_between_processes() -> None:
    """With reason and message."""
    error = pickle.loads(pickle.dumps(ToolError("REASON", "a sentence")))
    assert (error.reason, error.message, str(error)) == ("REASON", "a sentence", "REASON: a sentence")
