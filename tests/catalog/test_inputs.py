"""Inputs: every way to be wrong has its place and its word."""

import hashlib
import json
import time
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from services.catalog import inputs, schemas
from services.catalog.inputs import File
from services.catalog.schemas import Schema, SchemaError
from services.runtime.errors import Refusal

SCHEMA = Schema(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["text"],
        "properties": {
            "text": {"type": "string", "maxLength": 10, "pattern": "^(a+)+$"},
            "mode": {"enum": ["fast", "slow"]},
            "n": {"type": "integer", "minimum": 3},
            "a/b~c": {"type": "array", "items": {"type": "integer"}},
        },
    }
)
FILE_SCHEMA_DEFINITION = {
    "type": "object",
    "additionalProperties": False,
    "required": ["image"],
    "properties": {
        "image": {"type": "string", "format": "scrip-file", "contentMediaType": "image/*"},
        "doc": {"type": "string", "format": "scrip-file", "contentMediaType": "application/pdf"},
        "title": {"type": "string"},
    },
}
FILE_SCHEMA = Schema(FILE_SCHEMA_DEFINITION)
FILE_PROPERTIES = schemas.file_properties(FILE_SCHEMA_DEFINITION)
DATA = b"some bytes"
DIGEST = "sha256:" + hashlib.sha256(DATA).hexdigest()
ANY = Schema({})
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-inputs.INTEGER_MAX, inputs.INTEGER_MAX) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def wrong(data: bytes, schema: Schema = SCHEMA, files: list[File] | None = None) -> list[tuple[str, str]]:
    """Pointer and keyword of each violation."""
    properties = FILE_PROPERTIES if schema is FILE_SCHEMA else {}
    with pytest.raises(Refusal) as refused:
        inputs.check(data, files or [], schema, properties)
    assert refused.value.reason == "INPUT_INVALID"
    assert refused.value.metadata["violations"] == str(len(refused.value.violations))
    return sorted((found.field, found.keyword) for found in refused.value.violations)


NOT_JSON = [
    ("not UTF-8", b'{"text": "\xff"}'),
    ("empty", b""),
    ("cut off", b'{"text": "a"'),
    ("a byte order mark", '\ufeff{"text": "a"}'.encode()),
    ("more behind it", b'{"text": "a"} x'),
    ("NaN", b'{"n": NaN}'),
    ("Infinity", b'{"n": -Infinity}'),
    ("a member twice", b'{"text": "a", "text": "b"}'),
    ("a member twice further in", b'{"text": {"x": 1, "x": 1}}'),
    ("an array", b"[]"),
    ("a text", b'"text"'),
    ("nested without end", b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
]


@pytest.mark.parametrize("data", [row[1] for row in NOT_JSON], ids=[row[0] for row in NOT_JSON])
def test_what_is_not_one_json_object_is_refused_whole(data: bytes) -> None:
    """The violation is of the input itself, so its pointer is empty."""
    assert wrong(data) == [("", "type" if data in (b"[]", b'"text"') else "json")]


INEXACT = [
    ("an integer of 2^53", b'{"n": 9007199254740992}', "/n"),
    ("an integer of -2^53", b'{"n": -9007199254740992}', "/n"),
    ("an integer of a million digits", b'{"n": ' + b"9" * 1_000_000 + b"}", "/n"),
    ("a number too large", b'{"n": 1e999}', "/n"),
    ("a lone surrogate", rb'{"text": "\ud800"}', "/text"),
    ("a lone surrogate in a name", rb'{"\udfff": 1}', ""),
    ("nested too deep", b'{"n":' + b"[" * 64 + b"]" * 64 + b"}", "/n" + "/0" * 63),
]


@pytest.mark.parametrize(("data", "at"), [row[1:] for row in INEXACT], ids=[row[0] for row in INEXACT])
def test_what_readers_of_json_would_not_read_alike_is_refused(data: bytes, at: str) -> None:
    """It would have no canonical form, and so no digest."""
    assert wrong(data) == [(at, "json")]


SCHEMA_ROWS = [
    ("missing", b"{}", [("", "required")]),
    ("unknown member", b'{"text": "a", "x": 1}', [("", "additionalProperties")]),
    ("wrong type", b'{"text": 1}', [("/text", "type")]),
    ("all at once", b'{"text": "bbbbbbbbbbb", "mode": "x", "n": 1}', [
        ("/mode", "enum"), ("/n", "minimum"), ("/text", "maxLength"), ("/text", "pattern"),
    ]),
    ("names are escaped", b'{"text": "a", "a/b~c": [1, "x"]}', [("/a~1b~0c/1", "type")]),
]  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), [row[1:] for row in SCHEMA_ROWS], ids=[row[0] for row in SCHEMA_ROWS])
def test_every_violation_is_told_with_pointer_and_keyword(data: bytes, expected: list[tuple[str, str]]) -> None:
    """All of them in one answer."""
    assert wrong(data) == expected


def test_a_hundred_violations_are_enough() -> None:
    """More are not told."""
    data = json.dumps({"text": "a", "a/b~c": ["x"] * 500}).encode()
    assert len(wrong(data)) == 100


def test_messages_do_not_repeat_what_was_sent() -> None:
    """An input may be private and a mebibyte long; a message says where, not what, in at most 300 characters."""
    secret = "s3cret" * 10_000
    with pytest.raises(Refusal) as refused:
        inputs.check(json.dumps({"text": secret, "mode": secret, "y" * 10_000: 1}).encode(), [], SCHEMA, {})
    assert all(len(found.message) <= 300 and "s3cret" not in found.message for found in refused.value.violations)
    assert "s3cret" not in str(refused.value)


def test_no_pattern_can_be_made_to_hang() -> None:
    """A text that takes a backtracking engine for ever is matched in linear time."""
    started = time.monotonic()
    assert wrong(json.dumps({"text": "a" * 200_000 + "!"}).encode()) == [("/text", "maxLength"), ("/text", "pattern")]
    assert time.monotonic() - started < 2


@given(st.dictionaries(st.text(), JSON_VALUES, max_size=5), st.booleans())
def test_the_digest_is_of_the_canonical_form(value: dict[str, Any], pretty: bool) -> None:
    """However an object is written, its digest is the SHA-256 of its RFC 8785 form."""
    written = json.dumps(value, indent=2 if pretty else None, ensure_ascii=pretty)
    checked = inputs.check(written.encode(), [], ANY, {})
    assert checked.digest == hashlib.sha256(rfc8785.dumps(value)).hexdigest()
    assert checked.value == value


def file(name: str = "image", media_type: str = "image/png", data: bytes = DATA) -> File:
    return File.inline(name, media_type, data)


IMAGE = json.dumps({"image": DIGEST}).encode()
FILE_ROWS: list[tuple[str, bytes, list[File], list[tuple[str, str]]]] = [
    ("missing", IMAGE, [], [("/image", "scrip-file")]),
    ("other content", IMAGE, [file(data=b"other")], [("/image", "scrip-file")]),
    ("twice", IMAGE, [file(), file()], [("/image", "scrip-file")]),
    ("no such property", IMAGE, [file(), file("other")], [("/other", "scrip-file")]),
    ("a property that takes no file", IMAGE, [file(), file("title")], [("/title", "scrip-file")]),
    ("not named by the input", IMAGE, [file(), file("doc")], [("/doc", "scrip-file")]),
    ("other media type", IMAGE, [file(media_type="text/html")], [("/image", "contentMediaType")]),
    ("no media type", IMAGE, [file(media_type="")], [("/image", "contentMediaType")]),
    ("a data: URL", b'{"image": "data:image/png;base64,AA=="}', [], [("/image", "format"), ("/image", "scrip-file")]),
    ("a number", b'{"image": 1}', [file()], [("/image", "scrip-file"), ("/image", "type")]),
]


@pytest.mark.parametrize(
    ("data", "files", "expected"), [row[1:] for row in FILE_ROWS], ids=[row[0] for row in FILE_ROWS]
)
def test_files_are_those_the_input_names(data: bytes, files: list[File], expected: list[tuple[str, str]]) -> None:
    """Each named file is there once, with that content and an accepted media type, and no other file is."""
    assert wrong(data, FILE_SCHEMA, files) == expected


@pytest.mark.parametrize("media_type", ["image/png", "IMAGE/PNG", "image/svg+xml; charset=utf-8"])
def test_a_media_type_is_compared_without_case_and_parameters(media_type: str) -> None:
    """`image/*` is any image."""
    checked = inputs.check(IMAGE, [file(media_type=media_type)], FILE_SCHEMA, FILE_PROPERTIES)
    assert checked.size_bytes == len(IMAGE) + len(DATA)


@pytest.mark.parametrize(
    ("json_bytes", "file_bytes", "limit", "actual"),
    [
        (inputs.JSON_BYTES_MAX + 1, 0, inputs.JSON_BYTES_MAX, inputs.JSON_BYTES_MAX + 1),
        (10, inputs.FILES_BYTES_MAX + 1, inputs.FILES_BYTES_MAX, inputs.FILES_BYTES_MAX + 1),
        (10, 2_000_000, 2_000_000, 2_000_010),
    ],
)
def test_too_large_is_refused_with_both_numbers(json_bytes: int, file_bytes: int, limit: int, actual: int) -> None:
    """The JSON, the files, and both together by the tool's own limit."""
    with pytest.raises(Refusal) as refused:
        inputs.check_size(json_bytes, [file(data=bytes(file_bytes))], 2_000_000)
    assert refused.value.reason == "INPUT_TOO_LARGE"
    assert refused.value.metadata == {"limit": str(limit), "actual": str(actual), "unit": "byte"}


@pytest.mark.parametrize(
    ("definition", "says"),
    [
        ({"$ref": "https://example.com/schema"}, "Retrieval is disabled"),
        ({"properties": {"x": {"$ref": "file:///etc/hostname"}}}, "Retrieval is disabled"),
        ({"$ref": "#/nowhere"}, "nowhere"),
        ({"type": "objekt"}, "objekt"),
        ({"format": "datum"}, "Unknown format"),
        ({"pattern": "(?=a)b"}, "regex"),
    ],
)
def test_a_schema_reaches_for_nothing_and_says_nothing_unknown(definition: dict[str, object], says: str) -> None:
    """Remote references, unknown formats and patterns that could hang are refused when it is read."""
    with pytest.raises(SchemaError, match=says):
        Schema(definition)
