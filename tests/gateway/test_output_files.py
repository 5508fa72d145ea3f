"""Files that tools make: out of one tool, over HTTP, into the next, from the database and from the object store."""

import hashlib
import io
from dataclasses import dataclass
from typing import Any

from PIL import Image

from services.cli.local import nats
from services.runtime import ids
from services.runtime.topology import OUTPUTS_BUCKET
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


async def objects(system: System) -> int:
    """How many messages the object store of outputs has."""
    import nats as client

    connection = await client.connect(system.services.nats_url)
    try:
        return (await connection.jetstream().stream_info(f"OBJ_{OUTPUTS_BUCKET}")).state.messages
    finally:
        await connection.close()


async def test_a_tools_file_is_read_and_used_wherever_it_is(fragile: System, nats_server: nats.Server) -> None:
    """While NATS is down it is in the database, then in the object store, and at last nowhere."""
    nats_server.kill()
    made = await make(fragile)
    assert made.named.startswith("file:out_"), made.job
    content = await made.content()
    assert (await made.used())["width"] == 2 * SIDE
    assert made.row("data IS NOT NULL") == (True,)
    nats_server.start()
    await eventually(lambda: made.row("data IS NULL") == (True,), 40)
    assert await made.content() == content
    assert (await made.used())["width"] == 2 * SIDE
    assert await objects(fragile) > 1
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
