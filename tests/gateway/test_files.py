"""Files over HTTP: uploaded, downloaded, and given to tools."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from scrip.catalog.v1 import catalog_pb2
from scrip.executor.v1 import executor_pb2
from scrip.gateway.v1 import gateway_pb2

from services.runtime import ids
from services.runtime.errors import Refusal
from tests.gateway.conftest import Account, System, problem
from tests.gateway.grpc_caller import GrpcCaller
from tests.harness.stack import data_url
from tests.system import samples

MEBIBYTE = 1024 * 1024
PDF = samples.pdf(samples.TEXT)


async def upload(
    system: System,
    account: Account,
    content: bytes | AsyncIterator[bytes],
    media_type: str = "application/pdf",
    name: str = "",
) -> httpx.Response:
    """POST /v1/files."""
    headers = account.headers | {"Content-Type": media_type}
    return await system.client.post(f"/v1/files?name={name}", content=content, headers=headers)


async def uploaded(
    system: System, account: Account, content: bytes, media_type: str = "application/pdf"
) -> dict[str, Any]:
    """The file that an upload made."""
    response = await upload(system, account, content, media_type)
    assert response.status_code == 201, response.text
    file: dict[str, Any] = response.json()
    return file


async def test_a_file_comes_back_as_it_was_sent(system: System) -> None:
    """Its content, media type and name; its digest is its ETag; whoever has it already is sent nothing."""
    account = await system.account(None)
    content = ids.random_bytes(700_001)
    response = await upload(system, account, content, "application/pdf; version=1", "Bérénice.pdf")
    file = response.json()
    digest = hashlib.sha256(content).hexdigest()
    assert (response.status_code, response.headers["location"]) == (201, f"/v1/files/{file['file_id']}")
    assert (file["media_type"], file["name"], file["size_bytes"]) == ("application/pdf", "Bérénice.pdf", 700_001)
    assert file["digest"] == digest
    got = await system.client.get(f"/v1/files/{file['file_id']}", headers=account.headers)
    assert got.content == content
    assert got.headers["content-type"] == "application/pdf"
    assert got.headers["content-length"] == "700001"
    assert got.headers["etag"] == f'"{digest}"'
    assert "B%C3%A9r%C3%A9nice.pdf" in got.headers["content-disposition"]
    again = await system.client.get(
        f"/v1/files/{file['file_id']}", headers=account.headers | {"If-None-Match": got.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


async def test_an_empty_file_is_a_file(system: System) -> None:
    """Of no bytes."""
    account = await system.account(None)
    file = await uploaded(system, account, b"", "text/plain")
    got = await system.client.get(f"/v1/files/{file['file_id']}", headers=account.headers)
    assert (got.status_code, got.content, file["size_bytes"]) == (200, b"", 0)


async def test_a_file_is_its_accounts_own(system: System) -> None:
    """To another account it is not there, neither to be read nor as an input; nor is what is no file's id."""
    owner, other = await system.account(), await system.account()
    file = await uploaded(system, owner, PDF)
    for file_id in (file["file_id"], "file_" + "a" * 26, "x"):
        assert problem(await system.client.get(f"/v1/files/{file_id}", headers=other.headers)) == (
            404,
            "FILE_NOT_FOUND",
        )
        refused = await system.execute(other, {"pdf": f"file:{file_id}"}, "pdf-to-text")
        assert problem(refused) == (404, "FILE_NOT_FOUND")
        assert refused.json()["file_id"] == file_id
    assert await system.jobs(other) == []


async def test_a_stored_file_is_the_same_input_as_its_bytes(system: System) -> None:
    """Named, in the JSON or as a part of a form, it has one digest: one quote fits all, one key leads to one job."""
    account = await system.account()
    file = await uploaded(system, account, PDF)
    named, inline = {"pdf": f"file:{file['file_id']}"}, {"pdf": data_url("application/pdf", PDF)}
    quote = await system.quote(account, named, "pdf-to-text")
    first = await system.execute(account, inline, "pdf-to-text", {"quote_id": quote["quote_id"]}, Idempotency_Key="k")
    assert first.status_code == 200, first.text
    assert samples.TEXT in first.json()["output"]["text"]
    again = await system.execute(account, named, "pdf-to-text", {"quote_id": quote["quote_id"]}, Idempotency_Key="k")
    form = await system.client.post(
        "/v1/tools/pdf-to-text/execute",
        data={"input": "{}", "quote_id": quote["quote_id"]},
        files={"pdf": ("letter.pdf", PDF, "application/pdf")},
        headers=account.headers | {"Idempotency-Key": "k"},
    )
    for answer in (again, form):
        assert answer.headers["idempotent-replayed"] == "true", answer.text
        assert answer.json()["job_id"] == first.json()["job_id"]


def padded(size: int) -> bytes:
    """A PDF of so many bytes."""
    comment = b"\n%" + ids.random_bytes(size // 2).hex().encode()
    return PDF.replace(b"%PDF-1.4", b"%PDF-1.4" + comment[: size - len(PDF)])


@pytest.mark.parametrize("way", ["named", "a form"])
async def test_a_local_tool_gets_a_file_that_is_too_large_for_json(system: System, way: str) -> None:
    """Each begun megabyte is priced; what the tool reads is the file."""
    account = await system.account()
    content = padded(5 * MEBIBYTE)
    if way == "named":
        file = await uploaded(system, account, content)
        answer = await system.execute(account, {"pdf": f"file:{file['file_id']}"}, "pdf-to-text")
    else:
        answer = await system.client.post(
            "/v1/tools/pdf-to-text/execute",
            files={"pdf": ("letter.pdf", content, "application/pdf")},
            headers=account.headers,
        )
    assert answer.status_code == 200, answer.text
    job = answer.json()
    assert job["status"] == "SUCCEEDED", job
    assert samples.TEXT in job["output"]["text"]
    assert (job["units"], job["credits"]["captured"]) == ({"megabyte": 6}, "8")


async def test_what_a_tool_does_not_take_is_refused_when_it_is_quoted(system: System) -> None:
    """By size, with the tool's limit, and by media type; of the file itself nothing has to be read for that."""
    account = await system.account()
    large = await uploaded(system, account, bytes(70_000_000))
    refused = await system.execute(account, {"pdf": f"file:{large['file_id']}"}, "pdf-to-text")
    assert problem(refused) == (413, "INPUT_TOO_LARGE")
    assert refused.json()["limit"] == 64 * MEBIBYTE
    assert refused.json()["actual"] > 70_000_000
    picture = await uploaded(system, account, b"x", "image/png")
    refused = await system.execute(account, {"pdf": f"file:{picture['file_id']}"}, "pdf-to-text")
    assert problem(refused) == (422, "INPUT_INVALID")


A_PDF = {"pdf": ("x", b"x", "application/pdf")}
FORMS = [
    ("no such property", {"nope": ("x", b"x", "text/plain")}, {}, 422, "INPUT_INVALID", "/nope"),
    (
        "given twice",
        A_PDF,
        {"input": '{"pdf": "data:,x"}'},
        422,
        "INPUT_INVALID",
        "/pdf",
    ),
    ("no JSON", A_PDF, {"input": "{"}, 400, "REQUEST_INVALID", "input"),
    (
        "not one value",
        {"pdf": ("x", b"x", "application/pdf")},
        {"labels": '{}, "x": 1'},
        400,
        "REQUEST_INVALID",
        "labels",
    ),
    ("a media type that is none", {"pdf": ("x", b"x", "pdf")}, {}, 422, "INPUT_INVALID", "/pdf"),
    ("the same of a large one", {"pdf": ("x", bytes(2 << 20), "a/\u00e9")}, {}, 422, "INPUT_INVALID", "/pdf"),
    ("unknown field", A_PDF, {"nope": "1"}, 400, "REQUEST_INVALID", "nope"),
]


@pytest.mark.parametrize(
    ("files", "fields", "status", "reason", "names"), [row[1:] for row in FORMS], ids=[row[0] for row in FORMS]
)
async def test_a_form_that_does_not_fit_is_refused(
    system: System, files: Any, fields: Any, status: int, reason: str, names: str
) -> None:
    """With the name of the part at fault."""
    account = await system.account()
    refused = await system.client.post(
        "/v1/tools/pdf-to-text/execute", data=fields, files=files, headers=account.headers
    )
    assert problem(refused) == (status, reason)
    assert names in refused.json()["detail"]


@pytest.mark.parametrize(
    "content", [b"--x\r\n", b"", b"nothing of a form", b"--x\r\nContent-Disposition: form-data\r\n\r\n"]
)
async def test_a_malformed_form_is_refused(system: System, content: bytes) -> None:
    """Also one that ends too soon."""
    account = await system.account()
    headers = account.headers | {"Content-Type": "multipart/form-data; boundary=x"}
    refused = await system.client.post("/v1/tools/pdf-to-text/execute", content=content, headers=headers)
    assert problem(refused) == (400, "REQUEST_INVALID")


@pytest.mark.parametrize(("media_type", "name"), [("pdf", "x"), ("a/b c", "x"), ("a/b", "x" * 256), ("a/b", "%00")])
async def test_media_type_and_name_are_checked(system: System, media_type: str, name: str) -> None:
    """A refusal names which of them is none."""
    account = await system.account(None)
    refused = await upload(system, account, b"x", media_type, name)
    assert problem(refused) == (400, "REQUEST_INVALID")
    assert refused.json()["field"] == ("media_type" if name == "x" else "name")


async def test_a_file_is_kept_longer_when_a_tool_is_executed_with_it(system: System) -> None:
    """A job may wait; a quote is only a question."""
    account = await system.account()
    file = await uploaded(system, account, PDF)
    given = {"pdf": f"file:{file['file_id']}"}

    def expires_at() -> Any:
        query = "SELECT expires_at FROM file WHERE file_id = %s"
        return system.services.query("gateway", query, file["file_id"])[0][0]

    was = expires_at()
    await system.quote(account, given, "pdf-to-text")
    assert expires_at() == was
    assert (await system.execute(account, given, "pdf-to-text")).status_code == 200
    assert expires_at() > was


def messages(*data: bytes, **header: str) -> AsyncIterator[gateway_pb2.UploadFileRequest]:
    """An upload over gRPC."""

    async def each() -> AsyncIterator[gateway_pb2.UploadFileRequest]:
        yield gateway_pb2.UploadFileRequest(header=gateway_pb2.FileHeader(media_type="application/pdf", **header))
        for piece in data:
            yield gateway_pb2.UploadFileRequest(data=piece)

    return each()


async def test_a_file_is_uploaded_over_grpc_too(system: System, account: Account, caller: GrpcCaller) -> None:
    """It is the same as over HTTP; of a part that is stored only the id is believed."""
    upload = caller.stub.UploadFile
    file = await caller.peer.call(upload, messages(PDF[:100], PDF[100:], name="letter.pdf"), 20, attempts=1)
    assert (file.size_bytes, file.name, file.digest) == (len(PDF), "letter.pdf", hashlib.sha256(PDF).hexdigest())
    got = await system.client.get(f"/v1/files/{file.file_id}", headers=account.headers)
    assert got.content == PDF
    part = catalog_pb2.InputFile(property="pdf", file_id=file.file_id, size_bytes=1, digest="x", media_type="a/b")
    for given in ({"input_json": f'{{"pdf": "file:{file.file_id}"}}'.encode()}, {"files": [part], "input_json": b"{}"}):
        job = await caller.execute(ids.uuid7(), tool="pdf-to-text", **given)
        assert job.state == executor_pb2.Job.STATE_SUCCEEDED, job.error
    others = await uploaded(system, await system.account(None), PDF)
    part.file_id = others["file_id"]
    refused = await caller.refused("QuotePrice", tool="pdf-to-text", input_json=b"{}", files=[part])
    assert refused.reason == "FILE_NOT_FOUND"


async def test_an_upload_over_grpc_is_checked(account: Account, caller: GrpcCaller) -> None:
    """The header comes first, and once; a file is of the caller's own account."""
    data = gateway_pb2.UploadFileRequest(data=b"x")

    async def headless() -> AsyncIterator[gateway_pb2.UploadFileRequest]:
        yield data

    async def twice() -> AsyncIterator[gateway_pb2.UploadFileRequest]:
        async for message in messages(b"x"):
            yield message
        yield gateway_pb2.UploadFileRequest(header=gateway_pb2.FileHeader(media_type="a/b"))

    for requests, reason in (
        (headless(), "REQUEST_INVALID"),
        (twice(), "REQUEST_INVALID"),
        (messages(b"x", account_id="another"), "FORBIDDEN"),
    ):
        with pytest.raises(Refusal, match=reason):
            await caller.peer.call(caller.stub.UploadFile, requests, 20, attempts=1)
