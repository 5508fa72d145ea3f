"""A manifest tried with an input, without a Scrip that runs: the parts of catalog and executor, put together here."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.catalog import data_urls, measuring, schemas
from services.catalog.manifests import files as manifest_files
from services.catalog.manifests.manifest import Manifest, ManifestError
from services.catalog.schemas import Schema
from services.cli.errors import Refused
from services.executor.providers.answers import ProviderCall
from services.executor.providers.calls import Providers
from services.executor.providers.client import Client, NoAnswerError
from services.executor.providers.course import Course
from services.executor.providers.files import File, input_file
from services.executor.providers.requests import Request, rendered, signed
from services.executor.providers.secrets import MASK, Secrets
from services.executor.rules.answers import ToolAnswer
from services.executor.rules.jobs import Retry, Terms
from services.executor.running import specs
from services.executor.running.worker import ToolCall, run_tool
from services.runtime import ids
from services.runtime.tariff import Tariff


class Trial:
    """A manifest and an input it takes."""

    def __init__(self, manifest: Manifest, value: Mapping[str, Any]) -> None:
        self.manifest = manifest
        # Of a job that there will never be, and another one for each call.
        self.job_id = f"job_{ids.uuid7()}"
        self.files: dict[str, File] = {}
        checked = dict(value)
        for name in schemas.file_properties(manifest.input_schema):
            if isinstance(value.get(name), str):
                try:
                    media_type, data = data_urls.decode(value[name])
                except ValueError as error:
                    raise refused("INPUT_INVALID", f"{name}: {error}") from error
                self.files[name] = input_file(data, media_type, name)
                checked[name] = f"sha256:{hashlib.sha256(data).hexdigest()}"
        found = Schema(manifest.input_schema).violations(checked)
        if found:
            errors = [{"pointer": one.field, "message": one.message} for one in found]
            raise Refused({"reason": "INPUT_INVALID", "detail": "the tool does not take this input", "errors": errors})
        self.value = checked
        self.spec = specs.parse(json.dumps(manifest.run_spec()).encode(), json.dumps(manifest.output_schema).encode())

    @property
    def tariff(self) -> Tariff:
        """What it costs with this input."""
        return self.manifest.price.price().of(self.value).tariff

    def price(self, used: Mapping[str, int] | None = None) -> tuple[int, bool]:
        """Microcredits it costs, or costs at most; and whether that is exact. `used`: units that were measured."""
        size = len(json.dumps(self.value)) + sum(file["size"] for file in self.files.values())
        units, exact = measuring.units_of(self.manifest.measure, self.value, size, self.manifest.limits.units)
        return self.tariff.amount(self.tariff.named(units | dict(used or {}))), exact or used is not None

    def request(self) -> Request:
        """The first request, its secret masked."""
        plan = self.spec.http
        if plan is None:
            raise refused("REQUEST_INVALID", "this tool calls no provider; --live runs it here")
        context = {"input": {**self.value, **self.files}, "job": {"id": self.job_id}}
        return signed(rendered(plan.request, context), plan.auth, MASK)

    async def answer(self, secrets: Secrets, bases: Mapping[str, str]) -> ToolAnswer:
        """What comes of a call; `bases`: where providers are called instead."""
        plan = self.spec.http
        if plan is None:
            contents = {name: file.data for name, file in self.files.items()}
            call = ToolCall(
                self.spec.handler,
                json.dumps(self.value).encode(),
                contents,
                dict(self.spec.pointers),
                file_places=self.spec.file_places,
            )
            return await asyncio.to_thread(run_tool, call)
        client = Client(bases)
        spec = self.spec
        course = Course(meter=spec.meter(json.dumps(self.value).encode(), Terms(0, self.tariff)))
        asked = ProviderCall(
            plan,
            self.value,
            self.files,
            spec.retry is Retry.SAFE,
            spec.units,
            spec.misfit,
            course=course,
            job_id=self.job_id,
            file_places=spec.file_places,
        )
        try:
            async with asyncio.timeout(self.manifest.limits.timeout_ms / 1000):
                return await Providers(client, secrets).run(asked)
        except (TimeoutError, NoAnswerError) as error:
            raise refused("OUTCOME_UNKNOWN", f"the provider did not answer: {error or 'timed out'}") from error
        finally:
            await client.close()


def manifest_of(tool: str) -> Manifest:
    """The manifest in a file, or the shipped one of a slug; raises Refused with every mistake."""
    path = Path(tool)
    if not path.suffix and not path.exists():
        found = next((one for one in manifest_files.shipped() if one.slug == tool), None)
        if found is None:
            raise refused("TOOL_NOT_FOUND", f"there is no file {tool}, and no tool of that slug comes with Scrip")
        return found
    if not path.exists():
        raise refused("TOOL_NOT_FOUND", f"there is no file {tool}")
    try:
        return manifest_files.load_files([(path, tool)], named=False)[0]
    except ManifestError as error:
        raise refused("MANIFEST_INVALID", str(error)) from error


def refused(reason: str, detail: str) -> Refused:
    """Why it does not work."""
    return Refused({"reason": reason, "detail": detail})
