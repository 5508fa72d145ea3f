"""Files: uploaded and downloaded as they are, piece by piece."""

import base64
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

from litestar import Request, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Stream

from services.gateway import answers, bodies, forms, mapping, shapes
from services.gateway.answers import Answer
from services.gateway.auth import Doorkeeper
from services.gateway.file_rows import File
from services.gateway.files import NAME_CHARACTERS_MAX, Files
from services.gateway.openapi import Operation, opt
from services.gateway.queries import Parameter, Query
from services.runtime.errors import invalid

TAG = "files"
_NAME = Parameter(
    "name", "What the file is called, for people.", {"type": "string", "maxLength": NAME_CHARACTERS_MAX, "default": ""}
)
# A form's wrapping would be taken for the file; curl says the second one of whatever it sends.
_FORMS = (forms.MEDIA_TYPE, "application/x-www-form-urlencoded")
_CONTENT_HEADERS = {
    "ETag": "The SHA-256 of the content, hex, in quotes.",
    "Repr-Digest": "The same as RFC 9530 writes it.",
    "Content-Disposition": "The name the file was given.",
}


def handlers(doorkeeper: Doorkeeper, files: Files) -> list[HTTPRouteHandler]:
    """POST /v1/files, and GET and DELETE of /v1/files/{file_id}."""

    @post(
        "/v1/files",
        opt=opt(
            Operation(
                "Upload a file; its media type is the request's Content-Type",
                TAG,
                {201: shapes.File},
                body_bytes=True,
                query=(_NAME,),
                problems=["REQUEST_INVALID", "INPUT_TOO_LARGE", "RATE_LIMITED", "ACCOUNT_REQUIRED"],
                answer_headers={"Location": "Where the file is."},
            )
        ),
    )
    async def upload_file(request: Request[Any, Any, Any]) -> Answer:
        payer = await doorkeeper.payer(request)
        Query(request, (_NAME,))
        media_type = request.headers.get("content-type", "")
        if media_type.startswith(_FORMS):
            raise invalid("Content-Type", "must be the file's own: the body is the file itself, and no form")
        file = await files.take(
            payer.account_id,
            media_type,
            request.query_params.get(_NAME.name, ""),
            bodies.chunks(request.receive),
            bodies.declared_bytes(request.headers),
        )
        return answers.of(mapping.file(file), 201, {"Location": f"/v1/files/{file.file_id}"})

    @get(
        "/v1/files/{file_id:str}",
        opt=opt(
            Operation(
                "Download a file, uploaded or made by a tool",
                TAG,
                {200: None},
                answer_bytes=True,
                problems=["FILE_NOT_FOUND", "ACCOUNT_REQUIRED"],
                answer_headers=_CONTENT_HEADERS,
            )
        ),
    )
    async def download_file(request: Request[Any, Any, Any], file_id: FromPath[str]) -> Answer | Stream:
        payer = await doorkeeper.payer(request)
        file = await files.get(payer.account_id, file_id)
        headers = _headers(file)
        if request.headers.get("if-none-match") in (headers["ETag"], "*"):
            return Answer(b"", status_code=304, headers=headers, media_type=file.media_type)
        content: AsyncIterator[bytes] = await files.read(file)
        length = {"Content-Length": str(file.size_bytes)}
        return Stream(content, headers=headers | length, media_type=file.media_type)

    @delete(
        "/v1/files/{file_id:str}",
        status_code=204,
        opt=opt(
            Operation(
                "Delete a file, uploaded or made by a tool; a job that waits to be given it fails, and costs nothing",
                TAG,
                {204: None},
                problems=["FILE_NOT_FOUND", "ACCOUNT_REQUIRED"],
            )
        ),
    )
    async def delete_file(request: Request[Any, Any, Any], file_id: FromPath[str]) -> None:
        payer = await doorkeeper.payer(request)
        await files.delete(payer.account_id, file_id)

    return [upload_file, download_file, delete_file]


def _headers(file: File) -> dict[str, str]:
    """What is said of a file. A browser saves it and never shows it: whatever is in it, it is not a page of ours."""
    return {
        "ETag": f'"{file.digest}"',
        "Repr-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(file.digest)).decode()}:",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name or file.file_id, safe='')}",
        "X-Content-Type-Options": "nosniff",
    }
