"""A provider that draws, also where the connection breaks before it could say so; and the tool that calls it."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml
from scrip.catalog.v1 import catalog_pb2

from services.runtime import ids
from tests.executor.providers.double import Answer, Asked, provider
from tests.executor.saga import Saga
from tests.harness.databases import Databases
from tests.harness.processes import Services
from tests.harness.shared import shared_services

KEY = "studio-key-of-the-test"
HOST = "https://api.studio.example"
TOOL = "draw-studio"
GIVEN = {"prompt": "A fox in the snow."}
BASE_MICROS, PICTURE_MICROS = 100_000, 20_000
PATIENCE_SECONDS = 60.0
_MANIFEST: dict[str, Any] = {
    "slug": TOOL,
    "name": "Draw",
    "description": "Draws.",
    "category": "images",
    "provider": "studio",
    "price": {
        "base": "0.1",
        "per_unit": "0.02",
        "unit": "image",
        "charging": {"failed": "base"},
    },
    "measure": {"from": "response", "value": "body.drawn"},
    "limits": {"input_bytes": 1024, "units": 10, "timeout_ms": 20_000},
    "run": {
        "kind": "http",
        "retry": "unsafe",
        "auth": {"place": "bearer", "secret": "studio_key"},
        "request": {"url": f"{HOST}/pictures", "json": {"prompt": "${input.prompt}", "reference": "${job.id}"}},
        "inspect": {
            "request": {"url": f"{HOST}/pictures", "query": {"reference": "${job.id}"}},
            "absent": "body.pictures == `[]`",
            "work": "body.pictures[0]",
            "under_way": "body.state == 'drawing'",
        },
        "response": {"output": {"text": "${body.text}"}, "failed": "body.state == 'failed'", "message": "body.error"},
        "request_id": "body.id",
    },
    "input_schema": {"type": "object", "properties": {"prompt": {"type": "string"}}, "required": ["prompt"]},
    "output_schema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    "examples": [GIVEN],
}
_POLL = {
    "request": {"url": f"{HOST}/pictures/${{submitted.id}}"},
    "every_ms": 200,
    "status": "body.state",
    "done": ["drawn"],
    "failed": ["failed"],
    "message": "body.error",
}


class Studio:
    """Draws what it is asked for, as `state` says, once for each request; `hangs_up` before it answers one, where it is
    `deaf` without having begun. Inspections wait until `may_tell`."""

    def __init__(self) -> None:
        self.pictures: dict[str, dict[str, str]] = {}
        self.state = "drawn"
        self.hangs_up = True
        self.is_deaf = False
        self.inspected = threading.Event()
        self.may_tell = threading.Event()
        self.may_tell.set()
        self.canceled = threading.Event()
        self.asked: list[str] = []

    def say(self, asked: Asked) -> Answer | None:
        """What it answers now."""
        assert asked.headers["authorization"] == f"Bearer {KEY}"
        parts = urlsplit(asked.path)
        self.asked.append(f"{asked.method} {parts.path}")
        match asked.method, parts.path.split("/")[2:]:
            case "POST", []:
                return self._begin(json.loads(asked.body)["reference"])
            case "GET", []:
                self.inspected.set()
                self.may_tell.wait(PATIENCE_SECONDS)
                (reference,) = parse_qs(parts.query)["reference"]
                return _said(pictures=[self._shown(one) for one in [self.pictures.get(reference)] if one])
            case "GET", [number]:
                (found,) = (one for one in self.pictures.values() if one["id"] == number)
                return _said(**self._shown(found))
            case "DELETE", [_]:
                self.canceled.set()
                return _said()
            case other:
                raise AssertionError(other)

    @property
    def began(self) -> int:
        """How often it was asked to draw."""
        return self.asked.count("POST /pictures")

    def _begin(self, reference: str) -> Answer | None:
        if not self.is_deaf:
            self.pictures[reference] = {"id": f"p{len(self.pictures) + 1}"}
        return None if self.hangs_up else _said(**self._shown(self.pictures[reference]))

    def _shown(self, picture: dict[str, str]) -> dict[str, Any]:
        return picture | {"state": self.state, "text": "a fox", "drawn": 2, "error": f"no paint for {KEY}"}


class Gallery:
    """Where a studio is asked; each test has one of its own."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.drawing = Studio()

    def say(self, asked: Asked) -> Answer | None:
        """What the studio of now answers."""
        return self.drawing.say(asked)


@contextlib.contextmanager
def opened(databases: Databases, folder: Path) -> Iterator[Gallery]:
    """A ledger, a catalog, and executors, when they are started, that know the studio."""
    with shared_services(databases, folder) as services:
        gallery = Gallery(services)
        with provider(gallery.say) as double:
            services.providers = {"SCRIP_SECRET_STUDIO_KEY": KEY, "SCRIP_PROVIDER_BASES": f"{HOST}={double.url}"}
            asyncio.run(services.start("ledger", "catalog"))
            yield gallery
            gallery.drawing.may_tell.set()


def _said(**body: object) -> Answer:
    return Answer(body=json.dumps(body).encode())


def manifest(*, polled: bool = False, inspected: bool = True, **limits: int) -> bytes:
    """Of the tool; `polled`: it waits for its work, and can stop it."""
    run = dict(_MANIFEST["run"])
    if not inspected:
        del run["inspect"]
    if polled:
        run["poll"] = _POLL
        run["inspect"] = {name: member for name, member in run["inspect"].items() if name != "under_way"}
        run["cancel"] = {"method": "DELETE", "url": f"{HOST}/pictures/${{submitted.id}}"}
    return yaml.safe_dump(_MANIFEST | {"run": run, "limits": _MANIFEST["limits"] | limits}).encode()


async def apply(saga: Saga, text: bytes) -> None:
    """Puts the tool in force."""
    request = catalog_pb2.ApplyToolRequest(manifest=text, request_id=ids.uuid7())
    await saga.catalog.call(saga.catalog_stub.ApplyTool, request)
