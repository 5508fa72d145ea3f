"""Uploads to a gateway of its own: memory, early refusals, clients that hang up, crashes."""

import asyncio
import hashlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from services.cli.local import nats
from services.runtime import ids
from tests.gateway.conftest import Account, System, problem
from tests.harness.processes import Services
from tests.harness.waiting import eventually

MEBIBYTE = 1024 * 1024
LIMIT = 80 * MEBIBYTE
# Buffers of sockets, NATS and HTTP; far from the file.
GROWTH_MAX_BYTES = 24 * MEBIBYTE


@pytest.fixture
async def system(services: Services, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[System]:
    """A gateway that takes 80 MiB."""
    monkeypatch.setenv("SCRIP_FILE_BYTES_MAX", str(LIMIT))
    await services.start("ledger", "gateway")
    system = System(services)
    async with system.client:
        yield system


async def upload(system: System, account: Account, content: bytes | AsyncIterator[bytes]) -> httpx.Response:
    return await system.client.post(
        "/v1/files", content=content, headers=account.headers | {"Content-Type": "video/mp4"}
    )


def peak_bytes(system: System) -> int:
    """The most memory that the gateway ever had."""
    status = Path(f"/proc/{system.services.pid('gateway')}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
async def test_a_large_file_is_never_whole_in_memory(system: System) -> None:
    """Neither going in nor coming out."""
    account = await system.account(None)
    block = ids.random_bytes(MEBIBYTE)
    digest = hashlib.sha256()

    async def blocks() -> AsyncIterator[bytes]:
        for _ in range(64):
            digest.update(block)
            yield block

    await upload(system, account, block)
    before = peak_bytes(system)
    answer = await upload(system, account, blocks())
    assert answer.status_code == 201, answer.text
    assert (answer.json()["size_bytes"], answer.json()["digest"]) == (64 * MEBIBYTE, digest.hexdigest())
    got = hashlib.sha256()
    async with system.client.stream("GET", answer.headers["location"], headers=account.headers) as content:
        async for chunk in content.aiter_bytes():
            got.update(chunk)
    assert got.hexdigest() == digest.hexdigest()
    assert peak_bytes(system) - before < GROWTH_MAX_BYTES


class Raw:
    """A client that says what it wants, byte by byte."""

    def __init__(self, system: System) -> None:
        self._port = urlsplit(system.services.http_url).port

    async def begin(self, account: Account, *headers: str) -> None:
        """The head of an upload."""
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        lines = ["POST /v1/files HTTP/1.1", "Host: x", f"Authorization: {account.headers['Authorization']}", *headers]
        self.writer.write("\r\n".join([*lines, "", ""]).encode())
        await self.writer.drain()

    async def answer(self) -> bytes:
        """Head and body of the answer."""
        async with asyncio.timeout(20):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            return head + await self.reader.readexactly(length)


async def test_a_file_that_says_it_is_too_large_is_refused_before_it_is_sent(system: System) -> None:
    """413 with limit and length, and no more is taken on this connection."""
    raw = Raw(system)
    await raw.begin(await system.account(None), "Content-Length: 10000000000")
    said = await raw.answer()
    assert said.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in said
    assert b"10000000000" in said
    assert str(LIMIT).encode() in said
    raw.writer.close()


async def test_a_file_that_does_not_end_is_refused_while_it_is_sent(system: System) -> None:
    """At the byte that is too many; the rest is not taken."""
    raw = Raw(system)
    await raw.begin(await system.account(None), "Transfer-Encoding: chunked")
    answer = asyncio.create_task(raw.answer())
    chunk = b"100000\r\n" + bytes(MEBIBYTE) + b"\r\n"
    sent = 0
    while not answer.done() and sent < 4 * LIMIT:
        raw.writer.write(chunk)
        try:
            await raw.writer.drain()
        except ConnectionError:
            break
        sent += MEBIBYTE
    assert (await answer).startswith(b"HTTP/1.1 413")
    assert sent < 4 * LIMIT
    await nothing_left(system)
    raw.writer.close()


async def nothing_left(system: System) -> None:
    """No row, and so no content."""
    await eventually(lambda: system.services.query("gateway", "SELECT * FROM file") == [], 20)


async def test_a_client_that_hangs_up_leaves_nothing(system: System) -> None:
    """However much it has sent."""
    raw = Raw(system)
    await raw.begin(await system.account(None), "Content-Length: 5000000")
    raw.writer.write(bytes(3_000_000))
    await raw.writer.drain()
    await eventually(lambda: len(system.services.query("gateway", "SELECT * FROM file")) == 1)
    raw.writer.transport.abort()
    await nothing_left(system)


async def test_what_a_killed_gateway_was_taking_in_is_swept_later(system: System) -> None:
    """Its row says when; until then nobody finds the file."""
    raw = Raw(system)
    account = await system.account(None)
    await raw.begin(account, "Content-Length: 5000000")
    raw.writer.write(bytes(3_000_000))
    await raw.writer.drain()
    rows: list[Any] = await eventually(lambda: system.services.query("gateway", "SELECT file_id FROM file"))
    system.services.kill("gateway")
    raw.writer.transport.abort()
    system.services.query("gateway", "UPDATE file SET expires_at = now() RETURNING file_id")
    await system.services.restart("gateway")
    gone = await system.client.get(f"/v1/files/{rows[0][0]}", headers=account.headers)
    assert problem(gone) == (404, "FILE_NOT_FOUND")
    await nothing_left(system)


async def test_without_nats_files_are_503(system: System, nats_server: nats.Server) -> None:
    """With Retry-After, and nothing is left."""
    account = await system.account(None)
    nats_server.kill()
    answer = await upload(system, account, b"abc")
    assert problem(answer) == (503, "UPSTREAM_UNAVAILABLE")
    assert "retry-after" in answer.headers
    nats_server.start()

    async def taken() -> bool:
        return (await upload(system, account, b"abc")).status_code == 201

    await eventually(taken, 20)
