"""Inputs and their data: URLs."""

import base64
import hashlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway import inputs
from services.runtime.errors import Refusal

FILES = frozenset({"file", "other", "a/b~c"})


async def uploaded(_file_ids: Any) -> Any:
    raise AssertionError("no file is named")


async def prepare(value: Any, files: frozenset[str] = FILES) -> inputs.Input:
    async def file_properties() -> frozenset[str]:
        return files

    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return await inputs.prepare(msgspec.Raw(raw), file_properties, uploaded)


def url(data: bytes, media_type: str = "application/pdf") -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


async def test_an_input_without_files_leaves_as_it_came() -> None:
    """Where there is no data: URL, not a byte is changed and the tool is not asked for."""

    async def never() -> frozenset[str]:
        raise AssertionError("asked")

    content = b'{"a":1.0, "b": "x",  "a":2}'
    assert (await inputs.prepare(msgspec.Raw(content), never, uploaded)).json == content


async def test_a_file_is_taken_out() -> None:
    """A data: URL becomes a file, and its property the SHA-256 of its content; the rest stays as it was written."""
    data = b"%PDF-1.7 \x00\xff"
    content = b'{"n": 1.50, "file": %s, "text": "data:,x"}' % json.dumps(url(data)).encode()
    prepared = await prepare(content)
    assert json.loads(prepared.json)["file"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert b'"n":1.50' in prepared.json
    assert json.loads(prepared.json)["text"] == "data:,x"
    (file,) = prepared.files
    assert (file.property, file.media_type, file.data) == ("file", "application/pdf", data)


@pytest.mark.parametrize(
    ("text", "media_type", "data"),
    [
        ("data:text/plain,a%20b", "text/plain", b"a b"),
        ("data:,abc", "text/plain", b"abc"),
        ("data:;base64,YQ==", "text/plain", b"a"),
        ("DATA:Image/PNG;charset=x;BASE64,YQ==", "image/png", b"a"),
        ("data:image/png;base64,YQ%3D%3D", "image/png", b"a"),
        ("data:image/png;base64,", "image/png", b""),
    ],
)
async def test_data_urls_are_read(text: str, media_type: str, data: bytes) -> None:
    """Every form of RFC 2397 is understood; media types lose their parameters."""
    (file,) = (await prepare({"file": text})).files
    assert (file.media_type, file.data) == (media_type, data)


@pytest.mark.parametrize(
    ("property_", "text", "pointer"),
    [
        ("file", "data:", "/file"),
        ("file", "data:image/png;base64", "/file"),
        ("file", "data:audio/\u00e9;base64,YQ==", "/file"),
        ("file", "data:png,a", "/file"),
        ("file", "data:a/b c,a", "/file"),
        ("file", "data:a/b\r\nx: y,a", "/file"),
        ("file", "data:image/png;base64,Y", "/file"),
        ("file", "data:image/png;base64,Y Q=", "/file"),
        ("file", "data:image/png;base64,ä", "/file"),
        ("a/b~c", "data:", "/a~1b~0c"),
    ],
)
async def test_a_malformed_data_url_is_invalid_input(property_: str, text: str, pointer: str) -> None:
    """It is INPUT_INVALID and points to its property."""
    with pytest.raises(Refusal) as refused:
        await prepare({property_: text})
    assert refused.value.reason == "INPUT_INVALID"
    (violation,) = refused.value.violations
    assert (violation.field, violation.keyword) == (pointer, "format")


async def test_sizes_are_limited() -> None:
    """A file over 1 MiB, files over 3 MiB and JSON over 1 MiB are INPUT_TOO_LARGE with limit and size."""
    mebibyte = 1024 * 1024
    four = frozenset("abcd")
    cases: list[tuple[Any, int, int]] = [
        ({"file": url(bytes(mebibyte + 1))}, mebibyte, mebibyte + 1),
        ({name: url(bytes(mebibyte)) for name in "abcd"}, 3 * mebibyte, 4 * mebibyte),
        ({"text": "x" * mebibyte}, mebibyte, mebibyte + 12),
    ]
    for value, limit, actual in cases:
        with pytest.raises(Refusal) as refused:
            await prepare(value, FILES | four)
        assert refused.value.reason == "INPUT_TOO_LARGE"
        assert (refused.value.metadata["limit"], refused.value.metadata["actual"]) == (str(limit), str(actual))
    assert len((await prepare({name: url(bytes(mebibyte)) for name in "abc"}, four)).files) == 3


@pytest.mark.parametrize("content", [b"[]", b"1", b'"x"', b"null"])
async def test_an_input_is_an_object(content: bytes) -> None:
    """Anything else is REQUEST_INVALID and names the field."""
    with pytest.raises(Refusal) as refused:
        await prepare(content)
    assert (refused.value.reason, refused.value.metadata["field"]) == ("REQUEST_INVALID", "input")


async def test_a_property_given_twice_is_refused() -> None:
    """Of two properties with one name only one would arrive, so with files neither does."""
    with pytest.raises(Refusal) as refused:
        await prepare(b'{"file": "data:,a", "file": "data:,b"}')
    assert refused.value.reason == "INPUT_INVALID"


@given(st.dictionaries(st.text(max_size=5), st.one_of(st.integers(-1000, 1000), st.text(max_size=5), st.booleans())))
async def test_a_digest_does_not_depend_on_how_the_input_is_written(value: dict[str, Any]) -> None:
    """Order of members and white space do not change the digest; another value does."""
    one = json.dumps(value).encode()
    other = json.dumps(dict(reversed(value.items())), indent=2, ensure_ascii=True).encode()
    changed = json.dumps(value | {"": [1]}).encode()
    assert await inputs.digest(inputs.Input(one, ())) == await inputs.digest(inputs.Input(other, ()))
    assert await inputs.digest(inputs.Input(one, ())) != await inputs.digest(inputs.Input(changed, ()))


@pytest.mark.parametrize(
    "content", [b'{"a": 1e999}', b'{"a": 99999999999999999999}', b'{"a": "\xff"}', b'{"a":"\\ud800"}']
)
async def test_every_input_has_a_digest(content: bytes) -> None:
    """What has no canonical form is refused by the catalog; until then it has a digest of its own."""
    assert len(await inputs.digest(inputs.Input(content, ()))) == 64


def test_file_properties_are_found_in_the_schema() -> None:
    """Properties of format scrip-file are files."""
    schema = {"properties": {"file": {"type": "string", "format": "scrip-file"}, "text": {"type": "string"}, "x": True}}
    assert inputs.file_properties_of(json.dumps(schema).encode()) == {"file"}
    assert inputs.file_properties_of(b"{}") == frozenset()
