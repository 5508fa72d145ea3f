"""Files in database and object store: what is kept, for how long, and that nothing is left of what is not."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import psycopg
import pytest

from services.cli.local import nats as local_nats
from services.gateway import files as files_module
from services.gateway.file_rows import File, FileRows
from services.gateway.files import Files
from services.gateway.output_files import OutputFiles
from services.runtime import lifecycle, postgres
from services.runtime.broker import Broker
from services.runtime.errors import Refusal
from services.runtime.objects import Objects
from services.runtime.topology import FILES_BUCKET, object_stream
from tests.harness.databases import Database, Databases
from tests.harness.waiting import eventually

FILE_BYTES_MAX = 1_000_000
ACCOUNT_BYTES_MAX = 1_500_000
KEEP = timedelta(hours=1)


@dataclass
class World:
    """Files, and both places where they are."""

    files: Files
    objects: Objects
    database: Database
    broker: Broker

    def rows(self) -> list[tuple[str, str]]:
        """Id and state of each file."""
        with psycopg.connect(self.database.owner_dsn, autocommit=True) as connection:
            return connection.execute("SELECT file_id, state FROM file ORDER BY created_at").fetchall()

    def change(self, assignment: str) -> None:
        """Changes all rows, as time or a crash would."""
        with psycopg.connect(self.database.owner_dsn, autocommit=True) as connection:
            connection.execute(f"UPDATE file SET {assignment}".encode())

    async def messages(self) -> int:
        """How many messages the object store has."""
        client = self.broker.client
        assert client
        info = await client.jetstream().stream_info(object_stream(FILES_BUCKET))
        return info.state.messages

    async def take(self, content: bytes = b"abc", account: str = "acme", **members: Any) -> File:
        """Uploads in chunks that are no multiple of anything."""
        return await self.files.take(account, "text/plain", "a.txt", chunked(content), **members)

    async def refused(self, chunks: AsyncIterator[bytes], **members: Any) -> Refusal:
        """Uploads, and is refused."""
        with pytest.raises(Refusal) as caught:
            await self.files.take("acme", "text/plain", "", chunks, **members)
        return caught.value


@pytest.fixture
async def world(databases: Databases, nats_url: str) -> AsyncIterator[World]:
    """A gateway's files on a database and a NATS of their own."""
    database = databases.create("gateway")
    broker = Broker(nats_url, "test")
    async with postgres.open_pool(database.dsn, "gateway") as pool, lifecycle.background(broker.keep_connected):
        await eventually(lambda: broker.client)
        objects = Objects(broker, FILES_BUCKET)
        rows = FileRows(pool, ACCOUNT_BYTES_MAX, KEEP)
        # Nobody asks for a file of an output.
        files = Files(rows, objects, cast("OutputFiles", None), FILE_BYTES_MAX)
        yield World(files, objects, database, broker)
        await broker.close()
    databases.drop(database)


async def chunked(content: bytes, size: int = 77_777) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def read(world: World, file: File) -> bytes:
    return b"".join([piece async for piece in await world.files.read(file)])


async def test_what_is_kept_can_be_read_by_any_client_of_the_object_store(world: World) -> None:
    """Its name there is the file's id, and its digest is that of the content."""
    content = bytes(range(256)) * 3_000
    file = await world.take(content)
    assert await read(world, file) == content
    assert world.broker.client
    store = await world.broker.client.jetstream().object_store(FILES_BUCKET)
    assert (await store.get(file.file_id)).data == content
    assert file.digest == hashlib.sha256(content).hexdigest()


async def test_an_upload_is_refused_as_soon_as_it_is_too_large(world: World) -> None:
    """By its declared length before anything is written, else at the byte that is too many; nothing of it is left."""
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 100_000
            yield bytes(100_000)

    declared = await world.refused(endless(), declared_bytes=FILE_BYTES_MAX + 1)
    assert (declared.reason, declared.metadata["limit"], taken) == ("INPUT_TOO_LARGE", str(FILE_BYTES_MAX), 0)
    refused = await world.refused(endless())
    assert (refused.reason, refused.metadata["actual"]) == ("INPUT_TOO_LARGE", "1100000")
    assert taken == 1_100_000
    assert (world.rows(), await world.messages()) == ([], 0)


async def test_an_accounts_files_are_limited_in_all(world: World) -> None:
    """Of uploads that end together as many are taken as there is room for; another account has its own."""
    await world.take(bytes(600_000))
    results = await asyncio.gather(*(world.take(bytes(600_000)) for _ in range(4)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, Refusal)]
    assert [one.reason for one in refused] == ["INPUT_TOO_LARGE"] * 3
    assert {one.metadata["limit"] for one in refused} <= {"900000", "300000", "1500000"}
    assert len(world.rows()) == 2
    assert await world.take(bytes(600_000), account="other")


async def test_uploads_at_one_time_are_limited(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one account, and of all; the next is taken when one has ended."""
    monkeypatch.setattr(files_module, "UPLOADS_OF_ACCOUNT_MAX", 1)
    monkeypatch.setattr(files_module, "UPLOADS_MAX", 2)
    go_on = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"a"
        await go_on.wait()

    under_way = [
        asyncio.create_task(world.files.take(account, "text/plain", "", slow())) for account in ("acme", "other")
    ]
    await eventually(lambda: len(world.rows()) == 2)
    assert (await world.refused(slow())).reason == "RATE_LIMITED"
    with pytest.raises(Refusal, match="all accounts"):
        await world.take(account="third")
    go_on.set()
    await asyncio.gather(*under_way)
    assert await world.take()


async def test_nothing_is_left_of_an_upload_that_does_not_end(world: World) -> None:
    """Whether its source fails or its task is cancelled."""

    async def hangs_up() -> AsyncIterator[bytes]:
        yield bytes(600_000)
        raise Refusal("REQUEST_INVALID", "the body ended before it was complete")

    async def stays() -> AsyncIterator[bytes]:
        yield bytes(600_000)
        await asyncio.Event().wait()

    assert (await world.refused(hangs_up())).reason == "REQUEST_INVALID"
    task = asyncio.create_task(world.files.take("acme", "text/plain", "", stays()))
    await eventually(world.messages)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert (world.rows(), await world.messages()) == ([], 0)


async def test_a_file_is_gone_when_its_time_is_over(world: World) -> None:
    """At once for whoever asks, and deleted by the next sweep, which leaves the others."""
    old, new = await world.take(), await world.take()
    with psycopg.connect(world.database.owner_dsn, autocommit=True) as connection:
        connection.execute("UPDATE file SET expires_at = now() WHERE file_id = %s", (old.file_id,))
    with pytest.raises(Refusal, match="FILE_NOT_FOUND"):
        await world.files.get("acme", old.file_id)
    assert await world.files.sweep() == 1
    assert world.rows() == [(new.file_id, "READY")]
    assert await world.messages() == 2
    assert await read(world, new) == b"abc"


async def test_a_file_that_is_used_is_kept_as_long_again(world: World) -> None:
    """But not for more than thirty days in all, and one that is only looked at not at all."""
    file = await world.take()
    world.change("expires_at = now() + interval '1 minute'")
    looked_at = (await world.files.refer("acme", [file.file_id]))[file.file_id]
    used = (await world.files.refer("acme", [file.file_id], keep=True))[file.file_id]
    assert used.expires_at - looked_at.expires_at > timedelta(minutes=58)
    world.change("created_at = now() - interval '29 days 23 hours 50 minutes', expires_at = now() + interval '1 min'")
    used = (await world.files.refer("acme", [file.file_id], keep=True))[file.file_id]
    assert used.expires_at - used.created_at == timedelta(days=30)


async def test_a_sweep_finds_what_a_crash_left(world: World) -> None:
    """Pieces without an end, a content whose row was not told, a row that was given up: none lasts for ever."""
    for state in ("UPLOADING", "DELETING"):
        await world.take()
        world.change(f"state = '{state}', expires_at = now() - interval '1 s'")
        assert await world.files.sweep() == 1
        assert (world.rows(), await world.messages()) == ([], 0)


async def test_an_upload_that_was_swept_meanwhile_is_refused(world: World) -> None:
    """It took longer than it may; there is no row that points to nothing."""

    async def late() -> AsyncIterator[bytes]:
        yield b"a"
        await eventually(world.rows)
        world.change("expires_at = now() - interval '1 s'")
        await world.files.sweep()
        yield b"b"

    assert (await world.refused(late())).reason == "REQUEST_INVALID"
    assert (world.rows(), await world.messages()) == ([], 0)


async def test_without_nats_an_upload_is_refused_and_leaves_nothing(
    world: World, nats_server: local_nats.Server
) -> None:
    """503; what lies there already is deleted once NATS is back."""

    async def interrupted() -> AsyncIterator[bytes]:
        yield bytes(400_000)
        nats_server.kill()
        await eventually(lambda: world.broker.client is None)
        yield bytes(400_000)

    file = await world.take()
    refused = await world.refused(interrupted())
    assert (refused.reason, refused.metadata["dependency"]) == ("UPSTREAM_UNAVAILABLE", "nats")
    assert (await world.refused(chunked(b"abc"))).reason == "UPSTREAM_UNAVAILABLE"
    with pytest.raises(Refusal, match="UPSTREAM_UNAVAILABLE"):
        await world.files.read(file)
    assert await world.files.sweep() == 0
    nats_server.start()
    await eventually(lambda: world.broker.client, 20)

    async def swept() -> bool:
        await world.files.sweep()
        return len(world.rows()) == 1 and await world.messages() == 2

    await eventually(swept, 20)
    assert await read(world, file) == b"abc"


async def test_a_content_that_was_lost_is_told_as_not_found(world: World) -> None:
    """Never a shorter file."""
    file = await world.take(bytes(600_000))
    assert world.broker.client
    await world.broker.client.jetstream().purge_stream(object_stream(FILES_BUCKET))
    with pytest.raises(Refusal, match="FILE_NOT_FOUND"):
        await world.files.read(file)
