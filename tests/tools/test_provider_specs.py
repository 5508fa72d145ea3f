"""What is sent to providers, against their own descriptions; skipped where these are not beside the project."""

from typing import Any

import pytest

from services.executor.providers.files import File
from services.executor.providers.requests import Request, rendered, signed
from tests.tools.cases import FOLDER, MANIFESTS, SECRET, call_of, known
from tests.tools.openapi import SPECS, Operation

DESCRIBED = [
    (slug, number)
    for slug, manifest in MANIFESTS.items()
    if (FOLDER / f"{slug}.yaml").is_file() and known(slug).get("spec")
    for number in range(len(manifest.examples))
]


@pytest.mark.skipif(not SPECS.is_dir(), reason="the providers' descriptions are not beside the project")
@pytest.mark.parametrize(("slug", "number"), DESCRIBED)
def test_a_request_is_as_its_provider_describes_it(slug: str, number: int) -> None:
    """Path, method, required and unknown members, types and enums."""
    spec = known(slug)["spec"]
    call = call_of(MANIFESTS[slug], number)
    request = rendered(call.plan.request, {"input": {**call.input, **call.files}})
    operation = Operation(spec["file"], spec["path"], request.method)
    sent = signed(request, call.plan.auth, SECRET)
    body, media_type = _body(request)
    # Where the secret goes in the query, descriptions name it as security and not as a parameter.
    query = dict(request.query)
    assert list(operation.problems(query, sent.headers, body, media_type)) == []
    fixed = spec["path"].partition("{")[0]
    assert fixed.rstrip("/") in request.url


def _body(request: Request) -> tuple[Any, str]:
    if request.json is not None:
        return request.json, "application/json"
    if request.parts is not None:
        members: dict[str, list[str]] = {}
        for name, value in request.parts:
            members.setdefault(name, []).append("" if isinstance(value, File) else value)
        return members, "multipart/form-data"
    return None, ""
