"""Requests and expressions in manifests: what could never be sent, or never be found, is told by lint."""

from importlib import resources
from typing import Any

import pytest

from services.catalog.manifests import files as manifest_files
from services.catalog.manifests.manifest import ManifestError
from tests.catalog.samples import changed

TOOLS = resources.files("services.catalog") / "tools"
DEEPL = (TOOLS / "translate-deepl.yaml").read_text(encoding="utf-8")
CHAT = (TOOLS / "chat-gpt.yaml").read_text(encoding="utf-8")
FLUX = (TOOLS / "flux-replicate.yaml").read_text(encoding="utf-8")


def told(text: str, **changes: Any) -> dict[str, str]:
    """What is wrong, by path; nothing where all is well."""
    try:
        manifest_files.parse(changed(text, **changes))
    except ManifestError as error:
        return {problem.path: problem.what for problem in error.problems}
    return {}


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("https://[::1/x", "is no URL"),
        ("https://api.deepl.com/v2/#translate", "fragment"),
        ("https://api.deepl.com/${input.texts}#x", "fragment"),
        ("https://api.deepl.com/a b", "without spaces"),
        ("https://api.deepl.com/\r\nx", "without spaces"),
        ("https://api.deepl.com/\0", "without spaces"),
        ("https://api.deepl.com/ü", "visible ASCII"),
    ],
)
def test_a_url_can_be_sent_as_it_is(url: str, what: str) -> None:
    """A fragment would take query and key with it."""
    assert what in told(DEEPL, run__request__url=url)["run.request.url"]


@pytest.mark.parametrize("name", ["", "x y", "x:y", "x\r\ny", "ü", "(x)"])
def test_a_header_has_a_name_of_http(name: str) -> None:
    """A token of RFC 9110, in requests and for the secret, which may also be a parameter."""
    assert told(DEEPL, run__request__headers={name: "x"}).popitem()[1].startswith("is no name of a header")
    if name:
        assert told(DEEPL, run__auth__name=name)["run.auth.name"].startswith("is no name of a header")
        query = {"place": "query", "secret": "deepl_api_key", "name": name}
        assert "without spaces" in told(DEEPL, run__auth=query)["run.auth.name"]


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "CONNECTION"])
def test_headers_of_the_connection_are_not_the_manifests(name: str) -> None:
    """In whatever case, and in whatever request."""
    assert "not the manifest's" in told(DEEPL, run__request__headers={name: "x"})[f"run.request.headers.{name}"]
    assert "not the manifest's" in told(DEEPL, run__auth__name=name)["run.auth.name"]
    polled = told(FLUX, run__poll__request__headers={name: "x"})
    assert "not the manifest's" in polled[f"run.poll.request.headers.{name}"]


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\0", "ü", "\x7f", "${input.texts}\n"])
def test_what_a_header_says_is_of_one_line(value: str) -> None:
    """Visible ASCII, spaces and tabs; what an expression puts in is checked when it is sent."""
    assert "visible ASCII" in told(DEEPL, run__request__headers={"x-a": value})["run.request.headers.x-a"]
    assert "visible ASCII" in told(DEEPL, run__auth__prefix=value.replace("${input.texts}", ""))["run.auth.prefix"]


def test_other_headers_are_sent() -> None:
    """A tab, and an expression over what is not ASCII."""
    assert told(DEEPL, run__request__headers={"X-A.b_1": "a\tb ${input.texts[?@ == 'ü']}"}) == {}


@pytest.mark.parametrize(
    ("expression", "what"),
    [
        ("nosuch(body)", "calls nosuch, which is no function"),
        ("body.a[].b(@)", "calls b, which is no function"),
        ("length()", "gives length 0 arguments; it takes 1"),
        ("divide(`1`)", "gives divide 1 arguments; it takes 2"),
        ("not_null()", "gives not_null 0 arguments; it takes at least 1"),
        ("max_by(body, &nosuch(a))", "calls nosuch"),
        ("(" * 5_000, "nested too deeply"),
        ("||".join("a" * 500), "nested too deeply"),
        (f"a[{'9' * 5_000}]", "too many digits"),
    ],
)
def test_an_expression_that_can_never_work_is_told(expression: str, what: str) -> None:
    """Wherever it stands, one over a stream's events too."""
    for text, member in ((DEEPL, "run__request_id"), (CHAT, "run__response__stream__failed")):
        found = told(text, **{member: expression})
        assert any(what in said for said in found.values()), found
    variant = {"when": expression.replace("body", "input.texts")}
    assert any(what in said for said in told(DEEPL, price__variants=[variant]).values())


@pytest.mark.parametrize(
    "expression", ["not_null(body.a, body.b, body.c)", "default(body.a, `1`)", "merge(body, body)"]
)
def test_one_that_can_is_not(expression: str) -> None:
    """Functions with any number of arguments, and our own."""
    assert told(DEEPL, run__request_id=expression) == {}
