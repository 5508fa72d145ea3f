"""Pages of PDFs as pictures."""

from typing import Any

import pytest
from PIL import Image

from services.executor.handlers import pdf_page_image
from services.executor.material import pictures
from tests.executor.handlers.picture_samples import halves, refusal, saved, shown

MISSING_PASSWORD = b"/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<%s>/U<%s>>>/ID[<00><00>]" % (b"11" * 32, b"22" * 32)


def book(*pictures: Image.Image) -> bytes:
    """A PDF with each picture on a page of its own, a pixel being a point."""
    first, *others = pictures
    return saved(first, "PDF", save_all=True, append_images=others, resolution=72)


def written(page: bytes, *objects: bytes, trailer: bytes = b"") -> bytes:
    """A PDF of one page, written by hand; `objects` are numbered from 4."""
    numbered = [
        b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[4 0 R]>>>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R" + page + b">>",
        *objects,
    ]
    body = b"".join(b"%d 0 obj%s\nendobj\n" % (number, one) for number, one in enumerate(numbered, start=1))
    # PDFium finds the objects by itself where there is no table.
    return b"%PDF-1.4\n" + body + b"trailer<</Root 1 0 R" + trailer + b">>\n%%EOF\n"


def drawn(data: bytes, **input: Any) -> Image.Image:
    return shown(pdf_page_image.run(input, {"pdf": data}))


def test_a_page_is_drawn_in_the_size_that_its_dpi_give() -> None:
    """A point is the 72nd of an inch; without any other wish there are 96 to it."""
    page = book(halves((72, 36)))
    assert [drawn(page, dpi=dpi).size for dpi in (36, 72, 200)] == [(36, 18), (72, 36), (200, 100)]
    assert drawn(page).size == (96, 48)


def test_the_page_looks_as_it_should() -> None:
    """Red on the left, blue on the right."""
    picture = drawn(book(halves((72, 36))), dpi=72)
    (red, _, _), (_, _, blue) = picture.getpixel((10, 18)), picture.getpixel((60, 18))
    assert (red > 240, blue > 240) == (True, True)


def test_the_page_that_is_asked_for_is_drawn() -> None:
    """The first, where none is."""
    pages = [Image.new("RGB", (30, 30), color) for color in ("red", "lime", "blue")]
    output = pdf_page_image.run({"page": 3, "dpi": 72}, {"pdf": book(*pages)})
    assert (output["page_count"], shown(output).getpixel((15, 15))[2] > 240) == (3, True)
    assert drawn(book(*pages)).getpixel((15, 15))[0] > 240


def test_a_page_can_come_as_jpeg() -> None:
    """Better for photographs."""
    assert drawn(book(halves()), format="jpeg").format == "JPEG"


def test_what_a_form_is_filled_with_is_drawn() -> None:
    """It lies above the page, in a drawing of its own."""
    field = b"<</Type/Annot/Subtype/Widget/FT/Tx/T(a)/V(x)/Rect[0 0 50 50]/P 3 0 R/F 4/AP<</N 5 0 R>>>>"
    ink = b"<</Type/XObject/Subtype/Form/BBox[0 0 50 50]/Length 24>>stream\n0 0 1 rg 0 0 50 50 re f \nendstream"
    picture = drawn(written(b"/MediaBox[0 0 50 50]/Annots[4 0 R]", field, ink), dpi=72)
    assert picture.getpixel((25, 25))[2] > picture.getpixel((25, 25))[0]


def test_an_empty_page_is_white() -> None:
    """It is no error."""
    assert drawn(written(b"/MediaBox[0 0 50 50]"), dpi=72).getcolors() == [(2_500, (255, 255, 255))]


@pytest.mark.parametrize("box", [b"", b"/MediaBox[0 0 0 0]", b"/MediaBox[9 9 -9 -9]", b"/MediaBox[(a)]"])
def test_a_page_of_no_size_is_drawn_somehow(box: bytes) -> None:
    """PDFium takes it for a letter."""
    assert min(drawn(written(box)).size) > 0


def test_a_page_that_is_not_there_is_told_in_numbers() -> None:
    """How many there are."""
    refused = refusal(pdf_page_image.run, {"page": 2}, pdf=book(halves()))
    assert (refused.reason, refused.message) == ("PAGE_MISSING", "page is 2, the PDF has 1 page")


@pytest.mark.parametrize("side", [3_000, 14_400, 2_000_000_000])
def test_a_page_of_too_many_pixels_is_refused_before_it_is_drawn(side: int) -> None:
    """With the size it would have had."""
    refused = refusal(pdf_page_image.run, {"dpi": 200}, pdf=written(b"/MediaBox[0 0 %d %d]" % (side, side)))
    assert refused.reason == "IMAGE_TOO_LARGE"
    assert "at 200 dpi the page has" in refused.message
    assert "at most 40,000,000 are drawn" in refused.message


def test_a_page_that_no_output_can_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its bytes."""
    monkeypatch.setattr(pictures, "BYTES_MAX", 100_000)
    noise = Image.merge("RGB", [Image.effect_noise((400, 400), 200) for _ in range(3)])
    assert "at most 100,000 can be handed out" in refusal(pdf_page_image.run, {"dpi": 72}, pdf=book(noise)).message


ROWS = [
    ("nothing", b"", "PDF_UNREADABLE"),
    ("no PDF", b"hello", "PDF_UNREADABLE"),
    ("a picture", saved(halves()), "PDF_UNREADABLE"),
    ("cut off", book(halves())[:60], "PDF_UNREADABLE"),
    ("a password", written(b"/MediaBox[0 0 9 9]", trailer=MISSING_PASSWORD), "PDF_ENCRYPTED"),
]


@pytest.mark.parametrize(("data", "reason"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_pdf_that_cannot_be_read_is_the_callers(data: bytes, reason: str) -> None:
    """With a reason that a program can tell."""
    assert refusal(pdf_page_image.run, {}, pdf=data).reason == reason
