"""Every tool that runs here: its examples work in a tool process, with the memory that one has."""

import importlib.util
import json
import shutil
from collections.abc import Iterator

import pytest

from services.catalog import data_urls, schemas
from services.catalog.manifests import files as manifest_files
from services.catalog.manifests.manifest import Manifest
from services.catalog.manifests.python_run import PythonRun
from services.executor.rules.answers import Answer
from services.executor.rules.output_files import places_of
from services.executor.running.output_schema import misfit_of
from services.executor.running.pool import WorkerPool
from services.executor.running.worker import ToolCall
from services.executor.settings import Settings

LOCAL = {manifest.slug: manifest for manifest in manifest_files.shipped() if isinstance(manifest.run, PythonRun)}
EXAMPLES = [(slug, number) for slug, manifest in LOCAL.items() for number in range(len(manifest.examples))]
MEMORY_MB: int = Settings.model_fields["worker_memory_mb"].default
SECONDS = 120.0


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    """One process, as an executor has them."""
    made = WorkerPool(1, MEMORY_MB)
    yield made
    made.stop()


def missing(manifest: Manifest) -> list[str]:
    """What a tool needs beside the default install, and is not here."""
    run = manifest.run
    assert isinstance(run, PythonRun)
    packages = [name for name in run.packages if importlib.util.find_spec(name) is None]
    return packages + [name for name in run.programs if shutil.which(name) is None]


def test_most_tools_work_on_a_fresh_machine() -> None:
    """Twenty at least, from wheels alone."""
    assert len([slug for slug, manifest in LOCAL.items() if not missing(manifest)]) >= 20


@pytest.mark.parametrize(("slug", "number"), EXAMPLES)
async def test_an_example_works(pool: WorkerPool, slug: str, number: int) -> None:
    """Its output is as the tool's schema says."""
    manifest = LOCAL[slug]
    run = manifest.run
    assert isinstance(run, PythonRun)
    if lacking := missing(manifest):
        pytest.skip(f"{', '.join(lacking)} not installed (docs/extra-tools.md)")
    value = dict(manifest.examples[number])
    files = {
        name: data_urls.decode(value[name])[1]
        for name in schemas.file_properties(manifest.input_schema)
        if isinstance(value.get(name), str)
    }
    schema = json.dumps(manifest.output_schema).encode()
    call = ToolCall(run.handler, json.dumps(value).encode(), files, file_places=places_of(schema))
    answer = await pool.run(call, SECONDS)
    assert answer.answer is Answer.OUTPUT, answer
    assert misfit_of(schema)(json.loads(answer.output_json)) == ""
