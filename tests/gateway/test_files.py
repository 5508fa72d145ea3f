"""Files over HTTP: uploaded, downloaded, and given to tools."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from services.runtime import ids
from tests.gateway.conftest import Account, System, problem
from tests.harness.stack import data_url
from tests.harness.waiting import eventually
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
