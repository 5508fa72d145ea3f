"""How tools run: the catalog's `run_json`, which never changes for a version, and whether that is possible here."""

import importlib.util
import json
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scrip.catalog.v1 import catalog_pb2, catalog_pb2_grpc

from services.executor.material import tokens
from services.executor.providers.metering import Counted, Meter
from services.executor.providers.plan import HttpPlan, plan_of
from services.executor.providers.secrets import Secrets
from services.executor.rules.jobs import Retry, Terms
from services.executor.rules.output_files import Places, places_of
from services.executor.running.output_schema import misfit_of
from services.executor.running.worker import HANDLERS
from services.runtime import clock
from services.runtime.grpc_client import Peer
from services.runtime.tariff import SOLE

if TYPE_CHECKING:
    from scrip.catalog.v1.catalog_pb2_grpc import CatalogServiceAsyncStub

CALL_SECONDS = 5.0
PAGE_SIZE = 200
TOOLS_MAX = 10_000
OBSTACLE_SECONDS = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class RunSpec:
    """How one version of a tool runs."""

    kind: str
    handler: str
    retry: Retry
    packages: tuple[str, ...] = ()
    """Modules that must be there to import."""
    programs: tuple[str, ...] = ()
    """Executables that must be there to call."""
    provider: str = ""
    """Who is behind the tool; empty: nobody, it runs here."""
    http: HttpPlan | None = None
    """How its provider is called, where it has one."""
    units: Mapping[str, str] = field(default_factory=dict)
    """By unit: expression over the provider's answer for how many were used. Of units that are neither here nor in
    `pointers`, the quote's are exact."""
    misfit: Callable[[Any], str] = lambda _output: ""
    """What in a provider's output is not as the tool's schema says; empty: nothing."""
    pointers: Mapping[str, str] = field(default_factory=dict)
    """By unit: where a handler's output says how many were used."""
    counted: Mapping[str, Counted] = field(default_factory=dict)
    """By unit: what of it can be counted while a provider's answer comes."""
    cache_seconds: float = 0
    """How long an output may be given again; 0: never."""
    file_places: Places = field(default_factory=dict)
    """Where an output has files."""

    def meter(self, input_json: bytes, terms: Terms) -> Meter | None:
        """What meters one call with that input; None where the answer is not read as it comes."""
        if self.http is None or self.http.response.stream is None:
            return None
        return Meter(terms.tariff.named(self.counted), json.loads(input_json), terms.quoted_units)


def parse(run_json: bytes, output_schema_json: bytes = b"true", provider: str = "", unit: str = SOLE) -> RunSpec:
    """The spec of a `run_json`, and who is behind it, and the price's word for what is measured; members it does not
    know are for other kinds of executors."""
    run: dict[str, Any] = json.loads(run_json or b"{}")
    measures = _measures_of(run.get("measure") or {})
    try:
        http = plan_of(run) if run.get("kind") == "http" else None
    except (KeyError, TypeError):
        # Of a later catalog: not for this executor.
        http = None
    return RunSpec(
        kind=run.get("kind", ""),
        handler=run.get("handler", ""),
        retry=Retry.SAFE if run.get("retry") == Retry.SAFE else Retry.UNSAFE,
        packages=tuple(run.get("packages", ())),
        programs=tuple(run.get("programs", ())),
        provider=provider,
        http=http,
        misfit=misfit_of(output_schema_json if http else b"true"),
        units={name or unit: one["value"] for name, one in measures.items() if one.get("from") == "response"},
        pointers={name or unit: one["pointer"] for name, one in measures.items() if one.get("from") == "output"},
        cache_seconds=(run.get("cache") or {}).get("seconds", 0),
        file_places=places_of(output_schema_json),
        counted={name or unit: _counted(one) for name, one in measures.items() if one.get("from") == "response"},
    )


def _measures_of(measure: dict[str, Any]) -> dict[str, Any]:
    """By unit; one that is measured alone has no name here."""
    each: dict[str, Any] = measure.get("units", {})
    return each if measure.get("from") == "each" else {SOLE: measure}


def _counted(measure: dict[str, Any]) -> Counted:
    """What a quote reserves a unit for is what it is counted in."""
    of_input = bool(measure.get("and_characters"))
    return Counted(input=of_input, output=not of_input or bool(measure.get("at_most") or measure.get("default")))


def obstacle(spec: RunSpec, secrets: Secrets) -> catalog_pb2.UnavailableReason:
    """What keeps a tool from running in this process; UNSPECIFIED: nothing. Imports none of the tool's modules."""
    if spec.http is not None:
        if spec.http.auth is not None and not secrets.has(spec.http.auth.secret):
            return catalog_pb2.UNAVAILABLE_REASON_MISSING_SECRET
        is_metered = spec.http.response.stream is not None and spec.units
        if is_metered and importlib.util.find_spec(tokens.PACKAGE) is None:
            return catalog_pb2.UNAVAILABLE_REASON_MISSING_PACKAGE
        return catalog_pb2.UNAVAILABLE_REASON_UNSPECIFIED
    known = spec.kind == "python" and spec.handler.isidentifier()
    if not known or importlib.util.find_spec(f"{HANDLERS}.{spec.handler}") is None:
        return catalog_pb2.UNAVAILABLE_REASON_NO_EXECUTOR
    if not all(package.isidentifier() and importlib.util.find_spec(package) for package in spec.packages):
        return catalog_pb2.UNAVAILABLE_REASON_MISSING_PACKAGE
    if not all(shutil.which(program) for program in spec.programs):
        return catalog_pb2.UNAVAILABLE_REASON_MISSING_PACKAGE
    return catalog_pb2.UNAVAILABLE_REASON_UNSPECIFIED


class RunSpecs:
    """Specs by tool and version, asked of the catalog once; versions are immutable, so nothing here grows old."""

    def __init__(self, catalog: Peer, secrets: Secrets) -> None:
        self._catalog = catalog
        self._stub: CatalogServiceAsyncStub = catalog_pb2_grpc.CatalogServiceStub(catalog.channel)
        self._secrets = secrets
        self._known: dict[tuple[str, int], RunSpec] = {}
        self._obstacles: dict[RunSpec, tuple[catalog_pb2.UnavailableReason, float | None]] = {}

    async def get(self, slug: str, version: int) -> RunSpec:
        """The spec of one version; raises Refusal, UPSTREAM_UNAVAILABLE while the catalog does not answer."""
        found = self._known.get((slug, version))
        if found is None:
            request = catalog_pb2.GetToolRequest(slug=slug, version=version)
            response = await self._catalog.call(self._stub.GetTool, request, timeout=CALL_SECONDS)
            found = self._remember(response.tool)
        return found

    async def listed(self) -> AsyncIterator[tuple[catalog_pb2.Tool, RunSpec]]:
        """Every tool of the catalog in its newest version; raises Refusal."""
        token = ""
        while True:
            request = catalog_pb2.ListToolsRequest(page_size=PAGE_SIZE, page_token=token)
            page = await self._catalog.call(self._stub.ListTools, request, timeout=CALL_SECONDS)
            for tool in page.tools:
                yield tool, self._remember(tool)
            token = page.next_page_token
            if not token:
                return

    def providers(self) -> Iterator[tuple[str, str]]:
        """Of each version known here that calls a provider: `slug/version`, and the provider's host."""
        for (slug, version), spec in self._known.items():
            if spec.http is not None:
                yield f"{slug}/{version}", spec.http.host

    def obstacle(self, spec: RunSpec) -> catalog_pb2.UnavailableReason:
        """What keeps a tool from running here; looked at again after five seconds."""
        now = clock.monotonic()
        reason, looked_at = self._obstacles.get(spec, (catalog_pb2.UNAVAILABLE_REASON_UNSPECIFIED, None))
        if looked_at is None or now - looked_at > OBSTACLE_SECONDS:
            reason = obstacle(spec, self._secrets)
            self._obstacles[spec] = (reason, now)
        return reason

    def _remember(self, tool: catalog_pb2.Tool) -> RunSpec:
        if len(self._known) >= TOOLS_MAX:
            self._known.clear()
            self._obstacles.clear()
        spec = parse(tool.run_json, tool.output_schema_json, tool.provider, tool.price.unit)
        return self._known.setdefault((tool.slug, tool.version), spec)
