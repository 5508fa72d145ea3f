"""Inputs of tools: a JSON object, whose file-valued properties come as `data:` URLs and leave as files beside it."""

import asyncio
import base64
import binascii
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec
import rfc8785
from scrip.catalog.v1 import catalog_pb2

from services.gateway.bodies import too_large
from services.runtime.errors import Refusal, Violation, invalid

JSON_BYTES_MAX = 1024 * 1024
FILE_BYTES_MAX = 1024 * 1024
FILES_BYTES_MAX = 3 * 1024 * 1024
_THREAD_BYTES_MIN = 64 * 1024
_DATA_URL = re.compile(rb'"data:', re.IGNORECASE)
_PROPERTIES = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)

# The names of the file-valued properties of the tool in question.
FileProperties = Callable[[], Awaitable[frozenset[str]]]


@dataclass(frozen=True, slots=True)
class Input:
    """What a tool is given: the JSON, where `sha256:<hex>` stands for each file, and the files."""

    json: bytes
    files: Sequence[catalog_pb2.InputFile]


async def prepare(
    raw: msgspec.Raw | bytes, file_properties: FileProperties, parts: Sequence[catalog_pb2.InputFile] = ()
) -> Input:
    """The input of a request, its `data:` URLs taken out; whether it fits the tool is the catalog's to say.

    `parts` are files that came beside it; their properties may be left out of the JSON. The tool is asked for only
    where a `data:` URL may stand: a text that merely begins like one stays text. Raises REQUEST_INVALID, INPUT_INVALID
    for a malformed URL, INPUT_TOO_LARGE.
    """
    content = bytes(raw).strip()
    if not content.startswith(b"{"):
        raise invalid("input", "must be a JSON object")
    files = list(parts)
    if files:
        content = _name_files(content, files)
    if _DATA_URL.search(content):
        content, taken = _take_files(content, await file_properties())
        files += taken
    total = sum(len(file.data) for file in files)
    if total > FILES_BYTES_MAX:
        raise too_large("the input's files", FILES_BYTES_MAX, total)
    if len(content) > JSON_BYTES_MAX:
        raise too_large("the JSON of the input", JSON_BYTES_MAX, len(content))
    return Input(content, files)


async def digest(given: Input) -> str:
    """SHA-256 of the input's RFC 8785 form, hex."""
    if len(given.json) < _THREAD_BYTES_MIN:
        return _digest(given.json)
    return await asyncio.to_thread(_digest, given.json)


def _digest(content: bytes) -> str:
    try:
        canonical = rfc8785.dumps(json.loads(content))
    except (rfc8785.CanonicalizationError, ValueError, RecursionError):
        # No quote is ever given for it, so any digest will do that is always the same.
        canonical = content
    return hashlib.sha256(canonical).hexdigest()


def _name_files(content: bytes, files: Sequence[catalog_pb2.InputFile]) -> bytes:
    """The JSON with the files named in it that it left out."""
    properties = _properties(content)
    missing = [file for file in files if file.property not in properties]
    properties |= {file.property: _name(file) for file in missing}
    return msgspec.json.encode(properties) if missing else content


def _name(file: catalog_pb2.InputFile) -> msgspec.Raw:
    return msgspec.Raw(b'"sha256:%s"' % hashlib.sha256(file.data).hexdigest().encode())


def _take_files(content: bytes, file_properties: frozenset[str]) -> tuple[bytes, list[catalog_pb2.InputFile]]:
    properties = _properties(content)
    files: list[catalog_pb2.InputFile] = []
    for name in sorted(file_properties & properties.keys()):
        value = bytes(properties[name])
        if not _DATA_URL.match(value):
            continue
        file = _file(name, _TEXT.decode(value))
        if len(file.data) > FILE_BYTES_MAX:
            raise too_large(f"the file {name}", FILE_BYTES_MAX, len(file.data))
        files.append(file)
        properties[name] = _name(file)
    return (msgspec.json.encode(properties) if files else content), files


def _properties(content: bytes) -> dict[str, msgspec.Raw]:
    """The input's properties, each as it was written. Refuses one that is there twice: only one would arrive."""
    try:
        names = [name for name, _ in json.loads(content, object_pairs_hook=list, parse_int=len, parse_float=len)]
        if len(set(names)) == len(names):
            return _PROPERTIES.decode(content)
    except (ValueError, RecursionError, msgspec.MsgspecError):
        raise _invalid("", "is not a JSON object in UTF-8", "json") from None
    twice = next(name for name in names if names.count(name) > 1)
    raise _invalid("", f"has the property {twice[:64]!r} twice", "json")


def _file(name: str, url: str) -> catalog_pb2.InputFile:
    """The file of a `data:` URL (RFC 2397); its media type without parameters."""
    header, comma, text = url[len("data:") :].partition(",")
    media_type, *parameters = (part.strip().lower() for part in header.split(";"))
    pointer = "/" + name.replace("~", "~0").replace("/", "~1")
    if not comma:
        raise _invalid(pointer, "is not a data: URL: it has no comma", "format")
    try:
        data = unquote_to_bytes(text) if "%" in text else text.encode("ascii")
        if "base64" in parameters:
            data = base64.b64decode(data, validate=True)
    except (ValueError, binascii.Error):
        raise _invalid(pointer, "is not a data: URL: its data are not what its header says", "format") from None
    return catalog_pb2.InputFile(property=name, media_type=media_type or "text/plain", data=data)


def _invalid(pointer: str, message: str, keyword: str) -> Refusal:
    text = f"the input does not fit: {pointer or 'it'} {message}"
    return Refusal("INPUT_INVALID", text, violations=[Violation(pointer, message, keyword)])


def file_properties_of(schema_json: bytes) -> frozenset[str]:
    """The names of the file-valued properties in a tool's input schema."""
    schema: dict[str, Any] = json.loads(schema_json)
    return frozenset(
        name
        for name, property_schema in schema.get("properties", {}).items()
        if isinstance(property_schema, dict) and property_schema.get("format") == "scrip-file"
    )
