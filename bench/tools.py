"""`tools.*`, `quote.*`: reading all manifests, pricing a call, and the way of a new tool to its first execute."""

import json
import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

import grpc
import uvloop
import yaml
from scrip.catalog.v1 import catalog_pb2, catalog_pb2_grpc
from scrip.ledger.v1 import ledger_pb2, ledger_pb2_grpc

from bench.load import rate
from bench.report import line, percentile, progress
from services.catalog.manifests import files as manifest_files
from services.cli.local.ports import HOST, free_ports
from services.runtime import clock
from tests.harness.stack import Stack
from tests.harness.waiting import eventually

CALLERS = 32
SECONDS = 4.0
WARM_UP_SECONDS = 1.0
LONE_CALLS = 1_000
LINTS = 5
ADDED = 5
CALL_SECONDS = 10
TEXT = "Where words fail, music speaks."


def run() -> None:
    """Measures on a `scrip run` of its own."""
    _lint()
    with tempfile.TemporaryDirectory(prefix="scrip-bench-") as folder:
        uvloop.run(_measure(Path(folder)))


def _lint() -> None:
    """Seconds for all shipped manifests, against reading them as YAML alone."""
    texts = [
        file.read_text(encoding="utf-8")
        for file in (resources.files("services.catalog") / "tools").iterdir()
        if file.name.endswith(manifest_files.SUFFIX)
    ]
    progress(f"tools.lint: {len(texts)} manifests")
    times, floors = [], []
    for _ in range(LINTS):
        began = clock.monotonic()
        manifest_files.shipped()
        times.append(clock.monotonic() - began)
        began = clock.monotonic()
        for text in texts:
            yaml.load(text, yaml.SafeLoader)
        floors.append(clock.monotonic() - began)
    line("tools.lint", percentile(times, 50), "s", percentile(floors, 50), len(texts))


async def _measure(folder: Path) -> None:
    address = f"{HOST}:{free_ports(1)[0]}"
    echo = subprocess.Popen([sys.executable, "-m", "bench.ledger.echo", address])
    stack = Stack(folder / "data")
    try:
        progress("tools: starting the system")
        await stack.start()
        await _quotes(stack, address)
        await _additions(stack)
    finally:
        echo.kill()
        echo.wait(10)
        await stack.close_clients()
        await stack.stop()


async def _quotes(stack: Stack, echo: str) -> None:
    """QuotePrice from one caller and from many, against a bare gRPC echo."""
    secrets = json.loads((stack.folder / "credentials.json").read_text())
    metadata = (("authorization", f"Bearer {secrets['service_tokens']['gateway']}"),)
    question = catalog_pb2.QuotePriceRequest(
        account_id="demo", tool="detect-language", input_json=json.dumps({"text": TEXT}).encode()
    )
    async with (
        grpc.aio.insecure_channel(stack.run_json["grpc"]["catalog"]) as catalog,
        grpc.aio.insecure_channel(echo) as bare,
    ):
        quote, say = catalog_pb2_grpc.CatalogServiceStub(catalog), ledger_pb2_grpc.LedgerServiceStub(bare)

        async def price(_account: str) -> None:
            await quote.QuotePrice(question, metadata=metadata, timeout=CALL_SECONDS)

        async def answer(_account: str) -> None:
            await say.GetBalance(ledger_pb2.GetBalanceRequest(account_id="demo"), timeout=CALL_SECONDS)

        for name, do in (("warm up", price), ("warm up", answer)):
            progress(f"quote: {name}")
            await rate(do, CALLERS, 1, WARM_UP_SECONDS)
        progress(f"quote: {CALLERS} callers, then one, and the echo")
        value, n = await rate(price, CALLERS, 1, SECONDS)
        floor, _ = await rate(answer, CALLERS, 1, SECONDS)
        line(f"quote.{CALLERS}.rate", value, "1/s", floor, n)
        times, floors = await _times(price), await _times(answer)
    for percent in (50, 99):
        line(f"quote.1.p{percent}", percentile(times, percent), "ms", percentile(floors, percent), len(times))


async def _times(do: Any) -> list[float]:
    times = []
    for _ in range(LONE_CALLS):
        began = clock.monotonic()
        await do("demo")
        times.append((clock.monotonic() - began) * 1_000)
    return times


async def _additions(stack: Stack) -> None:
    """Seconds from a manifest's file to its first execute over HTTP, against an execute of a tool that is there."""
    admin, demo = stack.admin(), stack.demo()
    text = (resources.files("services.catalog") / "tools" / "echo.yaml").read_text(encoding="utf-8")
    times, floors = [], []
    for number in range(ADDED):
        progress(f"tools.add: {number + 1} of {ADDED}")
        began = clock.monotonic()
        manifest = text.replace("slug: echo", f"slug: echo-{number}")
        applied = await admin.post(
            "/v1/admin/tools", content=manifest.encode(), headers={"content-type": "application/yaml"}
        )
        if not applied.is_success:
            raise AssertionError(applied.text)

        async def executes(slug: str = f"echo-{number}") -> bool:
            answer = await demo.post(f"/v1/tools/{slug}/execute", json={"input": {"message": "x"}})
            return answer.status_code == 200

        await eventually(executes, 30)
        times.append(clock.monotonic() - began)
        began = clock.monotonic()
        await executes("echo")
        floors.append(clock.monotonic() - began)
    line("tools.add", percentile(times, 50), "s", percentile(floors, 50), ADDED)
