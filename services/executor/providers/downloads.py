"""Files that a provider has made and names by their URLs."""

import asyncio
import contextlib
import itertools
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from services.executor.providers import errors
from services.executor.providers.client import Client, NoAnswerError, NotSentError
from services.executor.providers.files import File
from services.executor.providers.hosts import check_host
from services.executor.providers.pauses import backoff
from services.executor.providers.streams import UnreadableError


async def downloaded(client: Client, name: str, found: Any, hosts: Iterable[str]) -> File | list[File]:
    """The file of one URL, or those of an array; no secret goes with asking for them. Raises UnreadableError,
    ForbiddenHostError."""
    files = [await _file(client, name, url, hosts) for url in (found if isinstance(found, list) else [found]) if url]
    if not files:
        raise UnreadableError(f"the answer names no file where {name} should be")
    return files if isinstance(found, list) else files[0]


async def _file(client: Client, name: str, url: Any, hosts: Iterable[str]) -> File:
    """It is made and billed: what may be over later is waited out, as long as the call may take."""
    if not isinstance(url, str):
        raise UnreadableError(f"the answer has no URL where {name} should be")
    check_host(url, hosts)
    for count in itertools.count(1):
        with contextlib.suppress(NoAnswerError, NotSentError):
            response = await client.fetch(url)
            if response.status == HTTPStatus.OK:
                return File(response.content, response.media_type or "application/octet-stream", name)
            if not errors.is_transient(response.status):
                raise UnreadableError(f"the file that the provider made answers with status {response.status}")
        await asyncio.sleep(backoff(count))
    raise AssertionError("it counts for ever")
