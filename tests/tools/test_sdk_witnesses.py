"""Providers' own SDKs as witnesses: each sends the same to a server on this machine as our manifest does.

`make test-sdks` installs them; without them these tests are skipped. A script `witnesses/<slug>.py` runs in an
interpreter of its own and reads JSON: the server's address (base), the key, and the manifest's first example (input).
It prints what the SDK adds of itself, as a JSON object, where it adds something; `other_headers` are those it sends in
another way.
"""

import asyncio
import email
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from services.executor.providers.files import File
from services.executor.providers.requests import Request, rendered, signed
from tests.executor.providers.double import Answer, Asked, provider
from tests.tools.cases import MANIFESTS, SECRET, Provider, call_of, known

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".sdks" / "bin" / "python"
WITNESSES = sorted((Path(__file__).parent / "witnesses").glob("*.py"))
ANSWER_SECONDS = 60


@pytest.mark.skipif(not PYTHON.exists(), reason="the SDKs are not installed: make test-sdks")
@pytest.mark.parametrize("script", WITNESSES, ids=lambda path: path.stem)
async def test_a_providers_own_sdk_sends_the_same(script: Path) -> None:
    """Method, path, query, the headers that matter, and the body."""
    manifest = MANIFESTS[script.stem]
    call = call_of(manifest)
    ours = signed(rendered(call.plan.request, {"input": {**call.input, **call.files}}), call.plan.auth, SECRET)
    good = next(case for case in known(script.stem)["cases"].values() if "output" in case)
    answers = iter(Provider(good["answers"]).answers)

    def answer(_asked: Asked) -> Answer:
        told = next(answers, {"status": 500})
        if "json" in told:
            media_type, body = "application/json", json.dumps(told["json"]).encode()
        else:
            media_type, body = "text/event-stream", told.get("text", "").encode()
        return Answer(told["status"], {"content-type": media_type} | told.get("headers", {}), body)

    with provider(answer) as double:
        added = await _run(script, double.url, manifest.examples[0])
    assert double.asked, "the SDK sent nothing"
    theirs = double.asked[0]
    assert theirs.method == ours.method
    assert _target(theirs.path) == _target(ours.target.partition("://")[2].partition("/")[2])
    for name, value in ours.headers.items():
        if name not in ("content-type", *added.get("other_headers", ())):
            assert theirs.headers.get(name) == value, name
    body = _body(theirs)
    if isinstance(body, dict):
        body = {name: value for name, value in body.items() if added.get(name, ...) != value}
    assert body == _ours(ours)


async def _run(script: Path, base: str, example: dict[str, Any]) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *(PYTHON, script),
        env={"HOME": str(ROOT / ".sdks")},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told = json.dumps({"base": base, "key": SECRET, "input": example})
    async with asyncio.timeout(ANSWER_SECONDS):
        said, complaint = await process.communicate(told.encode())
    assert process.returncode == 0, complaint.decode()
    added: dict[str, Any] = json.loads(said) if said.strip() else {}
    return added


def _target(path: str) -> tuple[str, list[tuple[str, str]]]:
    """The path and its query, in any order."""
    parts = urlsplit(path)
    return "/" + parts.path.strip("/"), sorted(parse_qsl(parts.query))


def _body(asked: Asked) -> Any:
    """JSON, or a form's fields in order: files as their bytes."""
    media_type = asked.headers.get("content-type", "")
    if media_type.startswith("application/json"):
        return json.loads(asked.body)
    if media_type.startswith("multipart/form-data"):
        message = email.message_from_bytes(f"content-type: {media_type}\n\n".encode() + asked.body)
        parts = message.get_payload()
        assert isinstance(parts, list)
        return sorted(
            (str(part.get_param("name", header="content-disposition")), part.get_payload(decode=True)) for part in parts
        )
    return asked.body


def _ours(request: Request) -> Any:
    if request.json is not None:
        return request.json
    if request.parts is not None:
        return sorted(
            (name, value.data if isinstance(value, File) else value.encode()) for name, value in request.parts
        )
    return request.content
