"""Files that tools make: out of one tool, over HTTP, into the next, from the database and from the object store."""

import hashlib
import io
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from PIL import Image
from scrip.catalog.v1 import catalog_pb2

from services.cli.local import nats
from services.runtime import ids
from services.runtime.objects import PIECE_BYTES
from services.runtime.topology import OUTPUTS_BUCKET, object_stream
from tests.gateway.conftest import Account, System, problem
from tests.harness.stack import data_url
from tests.harness.waiting import eventually

SIDE = 240


def noise() -> str:
    """A picture that no format makes small."""
    out = io.BytesIO()
    Image.frombytes("RGB", (SIDE, SIDE), ids.random_bytes(3 * SIDE * SIDE)).save(out, "PNG")
    return data_url("image/png", out.getvalue())


@dataclass
class Made:
    """A picture that a tool has made for an account, too large for JSON."""

    system: System
    account: Account
    job: dict[str, Any]

    @property
    def named(self) -> str:
        """As outputs and inputs name it."""
        return str(self.job["output"]["image"])

    @property
    def path(self) -> str:
        return f"/v1/files/{self.named.removeprefix('file:')}"

    async def content(self) -> bytes:
        """The picture, whose headers are checked."""
        got = await self.system.client.get(self.path, headers=self.account.headers)
        assert got.status_code == 200, got.text
        assert got.headers["etag"] == f'"{hashlib.sha256(got.content).hexdigest()}"'
        assert (got.headers["content-type"], got.headers["content-length"]) == ("image/png", str(len(got.content)))
        assert "image.png" in got.headers["content-disposition"]
        assert Image.open(io.BytesIO(got.content)).size == (2 * SIDE, 2 * SIDE)
        return got.content

    async def used(self) -> dict[str, Any]:
        """What another tool says of it."""
        answer = await self.system.execute(self.account, {"image": self.named}, "image-info")
        assert answer.status_code == 200, answer.text
        output: dict[str, Any] = answer.json()["output"]
        return output

    def row(self, columns: str) -> Any:
        """Of its row; None where there is none."""
        rows = self.system.services.query("executor", f"SELECT {columns} FROM output_file")
        return rows[0] if rows else None


async def make(system: System) -> Made:
    account = await system.account()
    for tool in ("resize-image", "image-info"):
        await eventually(lambda name=tool: system.tool_is_available(name), 20)
    answer = await system.execute(account, {"image": noise(), "width": 2 * SIDE, "height": 2 * SIDE}, "resize-image")
    assert answer.status_code == 200, answer.text
    return Made(system, account, answer.json())


async def has_objects(system: System, messages: int) -> bool:
    """Whether the object store of outputs has so many messages."""
    return await objects(system) == messages


async def objects(system: System) -> int:
    """How many messages the object store of outputs has."""
    import nats as client

    connection = await client.connect(system.services.nats_url)
    try:
        return (await connection.jetstream().stream_info(object_stream(OUTPUTS_BUCKET))).state.messages
    finally:
        await connection.close()


async def test_a_tools_file_is_read_and_used_wherever_it_is(fragile: System, nats_server: nats.Server) -> None:
    """While NATS is down it is in the database, then in the object store, and at last nowhere."""
    nats_server.kill()
    made = await make(fragile)
    assert made.named.startswith("file:out_"), made.job
    content = await made.content()
    assert (await made.used())["width"] == 2 * SIDE
    assert made.row("data IS NOT NULL, kept_until > now() + interval '47 hours'") == (True, True)
    nats_server.start()
    await eventually(lambda: made.row("data IS NULL") == (True,), 40)
    assert await made.content() == content
    assert (await made.used())["width"] == 2 * SIDE
    assert await objects(fragile) > 1
    nats_server.kill()
    away = await fragile.client.get(made.path, headers=made.account.headers)
    assert problem(away) == (503, "UPSTREAM_UNAVAILABLE")
    nats_server.start()

    async def is_back() -> bool:
        return (await fragile.client.get(made.path, headers=made.account.headers)).status_code == 200

    await eventually(is_back, 30)
    other = await fragile.account()
    assert problem(await fragile.client.get(made.path, headers=other.headers)) == (404, "FILE_NOT_FOUND")
    assert problem(await fragile.execute(other, {"image": made.named}, "image-info")) == (404, "FILE_NOT_FOUND")
    assert problem(await fragile.client.delete(made.path, headers=other.headers)) == (404, "FILE_NOT_FOUND")
    deleted = await fragile.client.delete(made.path, headers=made.account.headers)
    assert (deleted.status_code, deleted.content) == (204, b"")
    for answer in (
        await fragile.client.get(made.path, headers=made.account.headers),
        await fragile.client.delete(made.path, headers=made.account.headers),
        await fragile.execute(made.account, {"image": made.named}, "image-info"),
    ):
        assert problem(answer) == (404, "FILE_NOT_FOUND")
    fragile.services.kill("executor")
    await fragile.services.restart("executor")
    await eventually(lambda: made.row("file_id") is None, 20)
    assert await objects(fragile) == 0


async def test_an_executor_that_dies_over_a_move_loses_nothing(fragile: System, nats_server: nats.Server) -> None:
    """The object was there, and the row did not say so: another one is made, and the first is not left."""
    nats_server.kill()
    made = await make(fragile)
    content = await made.content()
    fragile.services.kill("executor")
    nats_server.start()
    await fragile.services.start_to_crash("executor", "executor.object_put")
    await fragile.services.crashed("executor")
    assert made.row("data IS NOT NULL, takes") == (True, 1)
    await fragile.services.restart("executor")
    assert await made.content() == content
    fragile.services.query("executor", "UPDATE output_file SET held_until = now() RETURNING file_id")
    await eventually(lambda: made.row("data IS NULL, takes") == (True, 2), 20)
    assert await made.content() == content
    pieces = -(-len(content) // PIECE_BYTES)
    await eventually(lambda: has_objects(fragile, pieces + 1))


async def test_files_are_read_and_deleted_over_grpc_too(system: System) -> None:
    """Those that were uploaded, and those that tools made; another account finds neither."""
    made = await make(system)
    content = ids.random_bytes(700_001)
    upload = await system.client.post(
        "/v1/files?name=a.bin", content=content, headers=made.account.headers | {"Content-Type": "a/b"}
    )
    other = await system.account()
    async with system.grpc(made.account) as caller, system.grpc(other) as stranger:
        for file_id, expected in (
            (upload.json()["file_id"], content),
            (made.named.removeprefix("file:"), await made.content()),
        ):
            first, *rest = [message async for message in caller.stream("DownloadFile", file_id=file_id)]
            assert b"".join(message.data for message in rest) == expected
            assert (first.file.file_id, first.file.size_bytes) == (file_id, len(expected))
            assert first.file.digest == hashlib.sha256(expected).hexdigest()
            assert first.file.created_at.ToDatetime() < first.file.expires_at.ToDatetime()
            for method in ("DownloadFile", "DeleteFile"):
                assert (await stranger.refused(method, file_id=file_id)).reason == "FILE_NOT_FOUND"
            await caller.call("DeleteFile", file_id=file_id)
            for method in ("DownloadFile", "DeleteFile"):
                assert (await caller.refused(method, file_id=file_id)).reason == "FILE_NOT_FOUND"


async def test_a_file_of_an_output_is_given_to_the_next_tool_over_grpc(system: System) -> None:
    """In the JSON, and as a file beside it."""
    made = await make(system)
    part = catalog_pb2.InputFile(property="image", file_id=made.named.removeprefix("file:"))
    async with system.grpc(made.account) as caller:
        for given in (
            {"input_json": json.dumps({"image": made.named}).encode()},
            {"input_json": b"{}", "files": [part]},
        ):
            job = await caller.execute(ids.uuid7(), tool="image-info", **given)
            assert json.loads(job.output_json)["width"] == 2 * SIDE, job.error


async def test_an_uploaded_file_is_deleted(system: System) -> None:
    """At once, and for good; another account cannot."""
    account, other = await system.account(), await system.account()
    headers = account.headers | {"Content-Type": "text/plain"}
    path = (await system.client.post("/v1/files", content=b"abc", headers=headers)).headers["location"]
    assert problem(await system.client.delete(path, headers=other.headers)) == (404, "FILE_NOT_FOUND")
    assert (await system.client.delete(path, headers=account.headers)).status_code == 204
    for answer in (await system.client.get(path, headers=headers), await system.client.delete(path, headers=headers)):
        assert problem(answer) == (404, "FILE_NOT_FOUND")
    assert system.services.query("gateway", "SELECT * FROM file WHERE account_id = %s", account.account_id) == []


async def test_a_job_tells_when_its_contents_are_removed_and_stays(revived: System) -> None:
    """After that its output is null; its amounts stay, and its Idempotency-Key still leads to it."""
    given = {"image": noise(), "width": 2 * SIDE}
    account = await revived.account()
    await eventually(lambda: revived.tool_is_available("resize-image"), 20)
    first = (await revived.execute(account, given, "resize-image", Idempotency_Key="k")).json()
    path = f"/v1/jobs/{first['job_id']}"

    async def job() -> dict[str, Any]:
        answer = await revived.client.get(path, headers=account.headers)
        told: dict[str, Any] = answer.json()
        return told

    async def settled() -> dict[str, Any] | None:
        told = await job()
        return told if told["credits"]["settled"] else None

    kept = await eventually(settled, 20)
    days = datetime.fromisoformat(kept["content_expires_at"]) - datetime.fromisoformat(kept["finished_at"])
    assert timedelta(days=30) <= days < timedelta(days=30, minutes=1)
    revived.services.query("executor", "UPDATE job SET content_expires_at = now() RETURNING job_id")
    revived.services.kill("executor")
    await revived.services.restart("executor")
    await eventually(lambda: revived.services.query("executor", "SELECT * FROM output_file") == [], 40)
    told = await job()
    assert (told["status"], told["output"]) == ("SUCCEEDED", None)
    assert told["credits"] == kept["credits"]
    assert len(told["attempts"]) == 1
    again = await revived.execute(account, given, "resize-image", Idempotency_Key="k")
    assert (again.status_code, again.json()["job_id"], again.json()["output"]) == (200, first["job_id"], None)
    assert again.headers["idempotent-replayed"] == "true"
    file_id = str(first["output"]["image"]).removeprefix("file:")
    gone = await revived.client.get(f"/v1/files/{file_id}", headers=account.headers)
    assert problem(gone) == (404, "FILE_NOT_FOUND")
