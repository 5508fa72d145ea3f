"""What is known of each provider's tool: the requests its examples become, and what answers of its provider lead to.

A file `providers/<slug>.yaml` has:

- `spec`: the provider's own description (`deepl/openapi.json`) and the path in it, where there is one;
- `requests`: of each example of the manifest, in order: method, url, headers, and query, json, form, parts or raw. The
  secret is `SECRET`;
- `uploads`: of each example, where an upload goes before, and `uploaded`, the body of the answer to it;
- `cancel`: what the provider answered when it was asked for the work (`submitted`), and the request that stops it;
- `cases`: by name, `answers` of the provider in order (the last one is given again to whoever asks again): status,
  headers, and json, text, base64 or events (of a text/event-stream); `to` is the request it must answer, where it is
  not the first. And what comes of it: `output` with `units` and `request_id`, or `reason` with `says`, a part of the
  message, and `units` where these are told. `example` is the number of the example that is sent, from 0.

A file in an input is shown as `<media type, bytes>`.
"""

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import yaml

from services.catalog import data_urls, schemas
from services.catalog.manifests import files as manifest_files
from services.catalog.manifests.http_run import HttpRun
from services.catalog.manifests.manifest import Manifest
from services.executor.providers.answers import ProviderCall
from services.executor.providers.course import Course
from services.executor.providers.files import File, input_file
from services.executor.providers.requests import Request
from services.executor.rules.jobs import Retry, Terms
from services.executor.running.specs import RunSpec, parse

FOLDER = Path(__file__).parent / "providers"
SECRET = "SECRET"
# When requests are signed, where signing takes the time in.
AT = datetime(2030, 1, 1, tzinfo=UTC)
ASKED_MAX = 50

MANIFESTS: dict[str, Manifest] = {
    manifest.slug: manifest for manifest in manifest_files.shipped() if isinstance(manifest.run, HttpRun)
}


def known(slug: str) -> dict[str, Any]:
    """The file of a tool."""
    loaded: dict[str, Any] = yaml.safe_load((FOLDER / f"{slug}.yaml").read_text(encoding="utf-8"))
    return loaded


def spec_of(manifest: Manifest) -> RunSpec:
    """How it runs, as an executor reads it."""
    return parse(json.dumps(manifest.run_spec()).encode(), json.dumps(manifest.output_schema).encode())


def call_of(manifest: Manifest, example: int = 0) -> ProviderCall:
    """The call that one of its examples becomes."""
    spec = spec_of(manifest)
    assert spec.http is not None
    value = dict(manifest.examples[example])
    files: dict[str, File] = {}
    for name in schemas.file_properties(manifest.input_schema):
        if name in value:
            media_type, data = data_urls.decode(value[name])
            files[name] = input_file(data, media_type, name)
    course = Course(meter=spec.meter(json.dumps(value).encode(), Terms(0, manifest.price.price().tariff)))
    return ProviderCall(
        spec.http,
        value,
        files,
        spec.retry is Retry.SAFE,
        spec.units,
        spec.misfit,
        course=course,
        file_places=spec.file_places,
    )


def shown(request: Request) -> dict[str, Any]:
    """A request as the files have it."""
    told: dict[str, Any] = {"method": request.method, "url": request.url, "headers": dict(request.headers)}
    if request.query:
        told["query"] = dict(request.query)
    if request.json is not None:
        told["json"] = _short(request.json)
        told["headers"].pop("content-type")
    elif request.parts is not None:
        parts = [(name, _file(value) if isinstance(value, File) else value) for name, value in request.parts]
        told["parts"] = [{name: value} for name, value in parts]
    elif request.headers.get("content-type") == "application/x-www-form-urlencoded":
        told["form"] = [{name: value} for name, value in httpx.QueryParams(request.content.decode()).multi_items()]
        told["headers"].pop("content-type")
    elif request.content:
        told["raw"] = f"<{request.headers['content-type']}, {len(request.content)}>"
    return told


def _file(value: File) -> str:
    return f"<{value['media_type']}, {value['size']}>"


def _short(value: Any) -> Any:
    """Long texts are base64 of files, of which the beginning tells enough."""
    match value:
        case str() if len(value) > 200:
            return f"{value[:60]}… ({len(value)})"
        case dict():
            return {name: _short(member) for name, member in value.items()}
        case list():
            return [_short(item) for item in value]
        case _:
            return value


@dataclass
class Provider:
    """A provider that gives what it was told to, in order, and knows what it was sent."""

    answers: list[dict[str, Any]]
    asked: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """The next answer; the last one again where there is none."""
        # Work under way is asked about for ever: only the call's time limit ends that, and here no time passes.
        assert len(self.asked) < ASKED_MAX, f"asked {ASKED_MAX} times: {request.method} {request.url}"
        answer = self.answers[min(len(self.asked), len(self.answers) - 1)]
        self.asked.append(request)
        if "to" in answer:
            assert f"{request.method} {request.url}" == answer["to"]
        if "base64" in answer:
            content = base64.b64decode(answer["base64"])
        elif "events" in answer:
            content = "".join(f"data: {json.dumps(event)}\n\n" for event in answer["events"]).encode()
        elif "text" in answer:
            content = answer["text"].encode()
        else:
            content = json.dumps(answer["json"]).encode() if "json" in answer else b""
        headers = {"content-type": "application/json" if "json" in answer else "text/plain"}
        return httpx.Response(answer["status"], headers=headers | answer.get("headers", {}), content=content)
