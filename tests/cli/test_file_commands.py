"""The commands about files, against a gateway that records what it is sent."""
# ruff: noqa: F401, F811 (fixtures)

import base64
import json
from pathlib import Path
from typing import Any

from .support import FakeGateway
from .test_commands import JOB, call, data_dir, gateway

FILE = {
    "file_id": "file_1",
    "media_type": "application/pdf",
    "name": "a b.pdf",
    "size_bytes": 3,
    "digest": "0",
    "created_at": "2031-01-01T00:00:00Z",
    "expires_at": "2031-01-02T00:00:00Z",
}
TOOL = {"slug": "echo", "limits": {"input_bytes": 64 * 1024 * 1024}}


def test_a_file_is_uploaded_as_it_is(gateway: FakeGateway, call: Any, tmp_path: Path) -> None:
    """With its name, length and media type; what is printed is its id."""
    gateway.answer("POST /v1/files", 201, FILE)
    path = tmp_path / "a b.pdf"
    path.write_bytes(b"%PDF" * 200_000)
    done = call("files", "upload", path)
    assert (done.exit_code, done.stdout) == (0, "file_1\n")
    (sent,) = gateway.sent
    assert sent.path == "/v1/files?name=a+b.pdf"
    assert sent.body == b"%PDF" * 200_000
    assert (sent.headers["Content-Type"], sent.headers["Content-Length"]) == ("application/pdf", "800000")
    call("files", "upload", path, "--type", "text/plain")
    assert gateway.sent[1].headers["Content-Type"] == "text/plain"


def test_execute_uploads_what_is_too_large_for_json(gateway: FakeGateway, call: Any, tmp_path: Path) -> None:
    """A file over 1 MiB, and one that would make it more than 3 MiB in all; others go with the input."""
    gateway.answer("GET /v1/tools/echo", 200, TOOL)
    gateway.answer("POST /v1/files", 201, FILE)
    gateway.answer("POST /v1/tools/echo/execute", 200, JOB)
    sizes = {"small": 1, "large": 1024 * 1024 + 1} | dict.fromkeys(("a", "b", "c"), 1024 * 1024)
    options: list[object] = []
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(bytes(size))
        options += ["--file", f"{name}={tmp_path / name}"]
    assert call("execute", "echo", *options).exit_code == 0
    asked, *uploads, execute = gateway.sent
    assert asked.path == "/v1/tools/echo"
    assert [sent.path for sent in uploads] == ["/v1/files?name=large", "/v1/files?name=c"]
    given = execute.body["input"]
    assert (given["large"], given["c"]) == ("file:file_1", "file:file_1")
    assert given["small"] == f"data:application/octet-stream;base64,{base64.b64encode(bytes(1)).decode()}"
    assert all(given[name].startswith("data:") for name in "ab")


def test_a_refused_upload_is_told(gateway: FakeGateway, call: Any, tmp_path: Path) -> None:
    """Exit status 1, and nothing is executed."""
    gateway.answer("GET /v1/tools/echo", 200, TOOL)
    gateway.problem("POST /v1/files", 413, "INPUT_TOO_LARGE")
    (tmp_path / "large").write_bytes(bytes(2_000_000))
    done = call("execute", "echo", "--file", f"large={tmp_path / 'large'}")
    assert (done.exit_code, len(gateway.sent)) == (1, 2)
    assert "INPUT_TOO_LARGE" in done.stderr


def test_files_that_are_too_large_are_not_sent(gateway: FakeGateway, call: Any, tmp_path: Path) -> None:
    """All of them together, by the tool's own limit."""
    gateway.answer("GET /v1/tools/echo", 200, {"slug": "echo", "limits": {"input_bytes": 2_500_000}})
    for name in "ab":
        (tmp_path / name).write_bytes(bytes(1_250_001))
    done = call("execute", "echo", "--file", f"a={tmp_path / 'a'}", "--file", f"b={tmp_path / 'b'}")
    assert (done.exit_code, [sent.method for sent in gateway.sent]) == (1, ["GET"])
    assert "the files have 2,500,002 bytes, at most 2,500,000 are taken by echo" in done.stderr


def test_a_download_goes_to_stdout(gateway: FakeGateway, call: Any) -> None:
    """As it is, and nothing else does."""
    gateway.answer("GET /v1/files/file_1", 200, b"other")
    done = call("files", "get", "file_1", "-o", "-")
    assert (done.exit_code, done.stdout) == (1, "other")
    assert "SHA-256" in done.stderr


def test_a_download_that_is_not_what_was_stored_leaves_nothing(gateway: FakeGateway, call: Any, tmp_path: Path) -> None:
    """Its SHA-256 is compared; nor does a refusal make a file."""
    gateway.answer("GET /v1/files/file_1", 200, b"other")
    gateway.problem("GET /v1/files/file_2", 404, "FILE_NOT_FOUND")
    for file_id, said in (("file_1", "SHA-256"), ("file:file_2", "FILE_NOT_FOUND")):
        done = call("files", "get", file_id, "-o", tmp_path / "got")
        assert done.exit_code == 1
        assert said in done.stderr
    assert list(tmp_path.glob("got*")) == []


def test_a_file_is_deleted(gateway: FakeGateway, call: Any) -> None:
    """By its id, with or without `file:`; one that is not there is refused."""
    gateway.answer("DELETE /v1/files/out_1", 204, b"")
    gateway.problem("DELETE /v1/files/out_2", 404, "FILE_NOT_FOUND")
    assert call("files", "delete", "file:out_1").exit_code == 0
    assert '"deleted": true' in call("files", "delete", "out_1", "--json").stdout
    refused = call("files", "delete", "out_2")
    assert (refused.exit_code, "FILE_NOT_FOUND" in refused.stderr) == (1, True)


def test_files_of_an_output_are_saved(gateway: FakeGateway, call: Any, tmp_path: Path) -> None:
    """Named after their place and kind, and told by their paths; without a folder it is told how to get the large."""
    file_id = f"out_{'a' * 26}"
    small = f"data:image/png;base64,{base64.b64encode(b'PNG').decode()}"
    job = JOB | {"output": {"images": [small, "text"], "n": 1}}
    gateway.answer("POST /v1/tools/echo/execute", 200, job)
    gateway.answer("GET /v1/jobs/j", 200, job | {"output": {"image": f"file:{file_id}"}})
    done = call("execute", "echo", "--save", tmp_path / "new" / "folder", "--json")
    path = tmp_path / "new" / "folder" / "images-0.png"
    assert json.loads(done.stdout)["output"] == {"images": [str(path), "text"], "n": 1}
    assert path.read_bytes() == b"PNG"
    assert f"scrip files get {file_id}" in call("jobs", "get", "j").stderr


def test_an_output_that_was_removed_is_told(gateway: FakeGateway, call: Any) -> None:
    """With the time of that."""
    gateway.answer("GET /v1/jobs/j", 200, JOB | {"output": None, "content_expires_at": "2031-01-01T00:00:00Z"})
    done = call("jobs", "get", "j")
    assert (done.stdout, "removed at 2031-01-01T00:00:00Z" in done.stderr) == ("", True)
