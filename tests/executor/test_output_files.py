"""Files that leave outputs: which, where from, and what stands in their place."""

import base64
import hashlib
import json
from typing import Any

import pytest

from services.executor.providers.files import File, content_of
from services.executor.rules import output_files
from services.executor.rules.output_files import EACH, INLINE_BYTES_MAX, OutputTooLargeError, places_of, split

FILE = {"type": "string", "format": "scrip-file", "contentMediaType": "image/*"}
LARGE = bytes(range(256)) * 257
SMALL = LARGE[:INLINE_BYTES_MAX]


def url(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


SCHEMAS: list[tuple[str, Any, list[Any]]] = [
    ("a property", {"properties": {"image": FILE, "width": {"type": "integer"}}}, [("image",)]),
    ("each of an array", {"properties": {"images": {"items": FILE}}}, [("images", EACH)]),
    ("within objects", {"properties": {"a": {"properties": {"b": {"items": {"properties": {"c": FILE}}}}}}},
     [("a", "b", EACH, "c")]),
    ("of any name", {"additionalProperties": FILE}, [(EACH,)]),
    ("one of several", {"properties": {"x": {"anyOf": [{"type": "null"}, FILE]}}}, [("x",)]),
    ("a property that is called so", {"properties": {"format": {"const": "scrip-file"}}}, []),
    ("nothing", True, []),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "places"), [row[1:] for row in SCHEMAS], ids=[row[0] for row in SCHEMAS])
def test_files_are_where_the_schema_says(schema: Any, places: list[Any]) -> None:
    """Also nested; `format` alone says so."""
    assert list(places_of(json.dumps(schema).encode())) == places


def test_places_know_what_their_files_are() -> None:
    """Where one may be this or that, nothing is known of it."""
    picture = FILE | {"contentMediaType": "image/png"}
    either = {"anyOf": [picture, FILE | {"contentMediaType": "text/plain"}]}
    unnamed = {"type": "string", "format": "scrip-file"}
    schema = {"properties": {"a": picture, "b": unnamed, "c": either}}
    assert places_of(json.dumps(schema).encode()) == {("a",): "image/png", ("b",): "", ("c",): ""}


def test_a_large_file_leaves_the_output() -> None:
    """In its place is its id; what is small or no file stays, and what was given is as it was."""
    given = {"images": [url(LARGE), url(SMALL)], "text": url(LARGE), "a": {"b/c": [{"d": url(LARGE, "audio/wav")}]}}
    before = json.dumps(given)
    output, files = split(given, [("images", EACH), ("a", "b/c", EACH, "d")], "job_1")
    assert json.dumps(given) == before
    assert output == given | {
        "images": [f"file:{files[0].file_id}", url(SMALL)],
        "a": {"b/c": [{"d": f"file:{files[1].file_id}"}]},
    }
    assert [(file.pointer, file.media_type) for file in files] == [
        ("/images/0", "image/png"),
        ("/a/b~1c/0/d", "audio/wav"),
    ]
    assert all(file.data == LARGE and file.digest == hashlib.sha256(LARGE).hexdigest() for file in files)
    assert all(output_files.is_file_id(file.file_id) for file in files)


def test_ids_follow_from_job_place_and_content() -> None:
    """The same again is split into the same; anything else into another file."""

    def file_id(data: bytes = LARGE, name: str = "a", job_id: str = "job_1") -> str:
        return split({name: url(data)}, [(name,)], job_id)[1][0].file_id

    assert file_id() == file_id()
    assert len({file_id(), file_id(LARGE + b"x"), file_id(name="b"), file_id(job_id="job_2")}) == 4


@pytest.mark.parametrize(
    "value", [None, 7, ["x"], {"x": 1}, "text", url(LARGE) + "*", "x" * 100_000, url(SMALL), "file:file_x"]
)
def test_what_is_no_large_file_stays(value: Any) -> None:
    """Whatever stands at a file's place."""
    assert split({"image": value}, [("image",), ("image", EACH, "x")], "j") == ({"image": value}, ())


def test_what_a_url_says_of_its_file_is_checked() -> None:
    """A media type that is none is no header of ours; a text is read as one."""
    output, files = split({"a": url(LARGE, "x\ny"), "b": "data:image/svg+xml,%20" + "<" * 70_000}, [(EACH,)], "j")
    assert [file.media_type for file in files] == ["application/octet-stream", "image/svg+xml"]
    assert files[1].data == b" " + b"<" * 70_000
    assert set(output) == {"a", "b"}


def test_files_have_32_mebibytes_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """In all, counted as they are; the message names both numbers."""
    monkeypatch.setattr(output_files, "FILES_BYTES_MAX", 2 * len(LARGE))
    split([url(LARGE)] * 2, [(EACH,)], "j")
    with pytest.raises(OutputTooLargeError, match=r"197,376 bytes; at most 131,584 can"):
        split([url(LARGE)] * 3, [(EACH,)], "j")


def test_a_providers_file_needs_no_base64() -> None:
    """It is taken as it is; a small one is left for whoever makes the JSON."""
    large, small = File(LARGE, "image/webp", "a"), File(SMALL, "image/webp", "b")
    output, files = split({"x": [large, small]}, [("x", EACH)], "j", content_of)
    assert files[0].data is LARGE
    assert output["x"][1] is small


NAMES = [("/image", "image/png", "image.png"), ("/images/0", "image/jpeg", "images-0.jpg"), ("", "a/b", "file"),
         ("/a~1b/../c", "text/plain", "a-1b-..-c.txt")]  # fmt: skip


@pytest.mark.parametrize(("pointer", "media_type", "name"), NAMES)
def test_a_file_is_called_after_its_place(pointer: str, media_type: str, name: str) -> None:
    """And by what it is."""
    assert output_files.name_of(pointer, media_type) == name
