"""What a request asks a tool for, read from its body: JSON, or a form whose parts are the files."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol, TypeVar

import msgspec
from litestar import Request
from scrip.catalog.v1.catalog_pb2 import InputFile

from services.gateway import bodies, forms, inputs
from services.gateway.auth import Payer
from services.gateway.file_rows import UPLOAD_SECONDS
from services.gateway.files import Files
from services.gateway.forms import Form, Part
from services.gateway.inputs import Input
from services.gateway.tool_copies import ToolCopies
from services.runtime.errors import Refusal, invalid

# Of a form: these hold JSON, all others are text.
_JSON_FIELDS = frozenset({"input", "labels"})
_RAW = msgspec.json.Decoder(msgspec.Raw)


class _Body(Protocol):
    input: msgspec.Raw


B = TypeVar("B", bound=_Body)


class Reading:
    """Reads requests for tools, of one account each."""

    def __init__(self, copies: ToolCopies, files: Files) -> None:
        self._copies = copies
        self._files = files

    async def read(
        self,
        request: Request[Any, Any, Any],
        payer: Payer,
        tool: str,
        decoder: "msgspec.json.Decoder[B]",
        keep: bool = False,
    ) -> tuple[B, Input]:
        """The body, and its input with the files; `keep`: uploaded ones stay as long again. Raises Refusal."""
        content_type = request.headers.get("content-type", "")
        parts: list[InputFile] = []
        if content_type.partition(";")[0].strip().lower() == forms.MEDIA_TYPE:
            form = Form(content_type, bodies.chunks(request.receive))
            try:
                async with asyncio.timeout(UPLOAD_SECONDS):
                    content, parts = await self._form(form, payer.account_id, tool)
            except TimeoutError:
                raise Refusal("REQUEST_INVALID", f"the form did not arrive within {UPLOAD_SECONDS} seconds") from None
        else:
            content = await bodies.read(request.receive)
        body = bodies.decode(decoder, content)
        given = await inputs.prepare(
            body.input,
            lambda: self._copies.file_properties(tool),
            lambda file_ids: self._files.refer(payer.account_id, file_ids, keep),
            parts,
        )
        return body, given

    async def _form(self, form: Form, account_id: str, tool: str) -> tuple[bytes, list[InputFile]]:
        """The form's fields as a JSON body, and its files."""
        fields: dict[str, Any] = {"input": msgspec.Raw(b"{}")}
        files: list[InputFile] = []
        size = 0
        async for part in form.parts():
            if part.is_file and part.name != "input":
                files.append(await self._file(part, account_id, tool, files))
                continue
            content = await _gathered(part.content, inputs.JSON_BYTES_MAX - size, "the form without its files")
            size += len(content)
            fields[part.name] = _field(part.name, content)
        return msgspec.json.encode(fields), files

    async def _file(self, part: Part, account_id: str, tool: str, others: list[InputFile]) -> InputFile:
        """A file of the form. One that is small goes the way of a `data:` URL, any other is stored as it comes."""
        if part.name not in await self._copies.file_properties(tool):
            raise inputs.not_taken(part.name)
        media_type = inputs.media_type_of(part.name, part.media_type)
        inline_max = min(inputs.FILE_BYTES_MAX, inputs.FILES_BYTES_MAX - sum(len(other.data) for other in others))
        begun: list[bytes] = []
        size = 0
        async for chunk in part.content:
            begun.append(chunk)
            size += len(chunk)
            if size > inline_max:
                rest = _continued(begun, part.content)
                file = await self._files.take(account_id, media_type, part.file_name, rest)
                return inputs.stored(part.name, file)
        return InputFile(property=part.name, media_type=media_type, data=b"".join(begun))


async def _gathered(chunks: AsyncIterator[bytes], bytes_max: int, what: str) -> bytes:
    content = bytearray()
    async for chunk in chunks:
        content += chunk
        if len(content) > bytes_max:
            raise bodies.too_large(what, inputs.JSON_BYTES_MAX, inputs.JSON_BYTES_MAX - bytes_max + len(content))
    return bytes(content)


def _field(name: str, content: bytes) -> Any:
    try:
        if name in _JSON_FIELDS:
            return _RAW.decode(content)
        return content.decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise invalid(name[:64], "is not JSON" if name in _JSON_FIELDS else "is not text in UTF-8") from None


async def _continued(begun: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    for chunk in begun:
        yield chunk
    async for chunk in rest:
        yield chunk
