"""The commands, against a gateway that records what it is sent."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click.testing
import pytest

from services.cli.main import main

from .support import FakeGateway, serve

USER_KEY, ADMIN_KEY = "scrip_user_x", "scrip_admin_x"
JOB = {
    "job_id": "j1",
    "tool": "echo",
    "version": 1,
    "status": "SUCCEEDED",
    "output": {"text": "grüße"},
    "credits": {"quoted": "1", "reserved": "0", "captured": "0.5", "settled": True},
    "duration_ms": 12,
}
TOOL = {
    "slug": "echo",
    "name": "Echo",
    "description": "Says it again.",
    "category": "text",
    "version": 3,
    "price": {"base": "1", "per_unit": "0.5", "unit": "page", "minimum": "2"},
    "limits": {"input_bytes_max": 1000},
    "input_schema": {"properties": {"text": {"type": "string", "description": "What to say."}}, "required": ["text"]},
    "examples": [{"text": "hello"}],
    "enabled": True,
    "available": True,
}


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    made = FakeGateway()
    server = serve(made)
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def data_dir(gateway: FakeGateway, tmp_path: Path) -> Path:
    run = {"http_url": gateway.url, "demo_key": USER_KEY, "admin_key": ADMIN_KEY}
    (tmp_path / "run.json").write_text(json.dumps(run))
    return tmp_path


def scrip(*arguments: object, env: dict[str, str] | None = None, stdin: str | None = None) -> click.testing.Result:
    clean = {"SCRIP_URL": None, "SCRIP_KEY": None}
    runner = click.testing.CliRunner()
    return runner.invoke(main, [str(one) for one in arguments], env=clean | (env or {}), input=stdin)


@pytest.fixture
def call(data_dir: Path) -> Any:
    def call(*arguments: object, stdin: str | None = None) -> click.testing.Result:
        return scrip(*arguments, "--data-dir", data_dir, stdin=stdin)

    return call


def test_the_key_fits_the_command(gateway: FakeGateway, call: Any) -> None:
    """From run.json a user's command takes the demo key and an admin's the admin key."""
    gateway.answer("GET /v1/account", 200, {"account_id": "demo", "credits": {"available": "12.5"}})
    gateway.answer("GET /v1/admin/accounts/acme", 200, {"account_id": "acme", "credits": {"available": "7"}})
    assert "12.5" in call("balance").stdout
    assert json.loads(call("balance", "acme", "--json").stdout)["credits"] == {"available": "7"}
    assert [one.headers["Authorization"] for one in gateway.sent] == [f"Bearer {USER_KEY}", f"Bearer {ADMIN_KEY}"]


def test_the_environment_names_url_and_key(gateway: FakeGateway, tmp_path: Path) -> None:
    """SCRIP_URL and SCRIP_KEY go together, each also as a file."""
    gateway.answer("GET /v1/account", 200, {"account_id": "mine", "credits": {}})
    assert scrip("balance", env={"SCRIP_URL": gateway.url, "SCRIP_KEY": "k1"}).exit_code == 0
    (tmp_path / "key").write_text("k2\n")
    assert scrip("balance", env={"SCRIP_URL": gateway.url, "SCRIP_KEY_FILE": str(tmp_path / "key")}).exit_code == 0
    assert [one.headers["Authorization"] for one in gateway.sent] == ["Bearer k1", "Bearer k2"]
    alone = scrip("balance", env={"SCRIP_URL": gateway.url})
    assert (alone.exit_code, "SCRIP_KEY is not set" in alone.stderr) == (2, True)


def test_tools_are_listed_over_all_pages(gateway: FakeGateway, call: Any) -> None:
    """The list follows next_page_token to its end and shows price and state."""
    off = TOOL | {"slug": "off", "enabled": False, "price": {"base": "1", "per_unit": "0", "minimum": "0"}}
    gateway.answer("GET /v1/tools", 200, {"tools": [TOOL], "next_page_token": "p2"})
    gateway.answer("GET /v1/tools", 200, {"tools": [off], "next_page_token": ""})
    lines = call("tools", "list").stdout.splitlines()
    assert lines[1].split("  ")[0] == "echo"
    assert "1 + 0.5 per page, at least 2" in lines[1]
    assert lines[2].split()[-2:] == ["1", "disabled"]
    assert [one.path for one in gateway.sent] == ["/v1/tools?page_size=200", "/v1/tools?page_size=200&page_token=p2"]


def test_one_tool_is_shown_with_input_and_example(gateway: FakeGateway, call: Any) -> None:
    """A tool's page tells how to call it."""
    gateway.answer("GET /v1/tools/echo", 200, TOOL)
    said = call("tools", "show", "echo").stdout
    for part in ("Echo", "Says it again.", "What to say.", '{"text": "hello"}', "input_bytes_max"):
        assert part in said


def test_a_grant_is_sent_exactly(gateway: FakeGateway, call: Any) -> None:
    """Credits stay a decimal string; the Idempotency-Key is always there, and told before the call."""
    gateway.answer("POST /v1/admin/accounts", 201, {"account_id": "acme"})
    gateway.answer("POST /v1/admin/accounts/acme/grants", 201, {"grant_id": "g1", "credits": "2500.5"})
    done = call("grant", "acme", "2500.50", "--create", "--source", "purchase", "--priority", "5")
    assert (done.exit_code, done.stdout) == (0, "Granted 2500.5 credits to acme (grant g1).\n")
    opened, granted = gateway.sent
    assert opened.body == {"account_id": "acme"}
    assert granted.body == {"credits": "2500.50", "source": "purchase", "priority": 5}
    assert granted.headers["Authorization"] == f"Bearer {ADMIN_KEY}"
    assert granted.headers["Idempotency-Key"] in done.stderr
    call("grant", "acme", "1", "--idempotency-key", "mine")
    assert gateway.sent[-1].headers["Idempotency-Key"] == "mine"


def test_a_key_is_printed_alone(gateway: FakeGateway, call: Any) -> None:
    """stdout is the key and nothing else, for `$(…)`; a replay has none to show."""
    gateway.answer("POST /v1/admin/accounts/acme/keys", 201, {"key": "scrip_user_new"})
    gateway.answer("POST /v1/admin/accounts/acme/keys", 200, {"key": None})
    assert call("keys", "create", "acme", "--name", "backend").stdout == "scrip_user_new\n"
    assert gateway.sent[0].body == {"name": "backend"}
    assert call("keys", "create", "acme").stdout == ""


def test_execute_prints_the_output(gateway: FakeGateway, call: Any) -> None:
    """The output goes to stdout, what it cost to stderr; the request can be repeated safely."""
    gateway.answer("POST /v1/tools/echo/execute", 200, JOB)
    done = call("execute", "echo", "--input", '{"text": "a"}', "--quote", "q")
    assert json.loads(done.stdout) == {"text": "grüße"}
    assert "SUCCEEDED in 12 ms, 0.5 credits, job j1" in done.stderr
    (sent,) = gateway.sent
    assert sent.body == {"input": {"text": "a"}, "quote_id": "q"}
    assert sent.headers["Prefer"] == "wait=60"
    assert sent.headers["Idempotency-Key"]


def test_who_is_not_told_how_it_ended_is_told_how_to_go_on(gateway: FakeGateway, call: Any) -> None:
    """By the key, which was drawn for him; once the job is known, by the job."""
    gateway.problem("POST /v1/tools/echo/execute", 503, "UPSTREAM_UNAVAILABLE")
    done = call("execute", "echo")
    assert done.exit_code == 3
    assert f"--idempotency-key {gateway.sent[-1].headers['Idempotency-Key']}" in done.stderr
    gateway.answer("POST /v1/tools/slow/execute", 200, JOB | {"status": "RUNNING"})
    gateway.problem("GET /v1/jobs/j1", 503, "UPSTREAM_UNAVAILABLE")
    done = call("execute", "slow")
    assert (done.exit_code, "scrip jobs get j1" in done.stderr) == (3, True)


def test_a_property_is_given_once(gateway: FakeGateway, call: Any, tmp_path: Path) -> None:
    """In the input or as a file; else nothing is sent."""
    (tmp_path / "a").write_bytes(b"a")
    done = call("execute", "echo", "--input", '{"image": "x"}', "--file", f"image={tmp_path / 'a'}")
    assert (done.exit_code, gateway.sent) == (2, [])
    assert "image: given with --input and with --file" in done.stderr


def streamed(*events: tuple[str, dict[str, Any]]) -> str:
    """Events as the gateway sends them."""
    return "".join(f"event: {name}\nid: job_1/1\ndata: {json.dumps(data)}\n\n" for name, data in events)


def test_execute_prints_what_is_said(gateway: FakeGateway, call: Any) -> None:
    """As text, with the cost at the end; --json prints the job alone."""
    running = JOB | {"status": "RUNNING", "output": None}
    told = streamed(
        ("accepted", running),
        ("chunk", {"text": "Hello, ", "offset": 0}),
        ("chunk", {"text": "wörld", "offset": 7}),
        ("outcome", JOB),
    )
    gateway.media_type = "text/event-stream"
    gateway.answer("POST /v1/tools/echo/execute", 200, told)
    done = call("execute", "echo", "--stream")
    assert (done.exit_code, done.stdout) == (0, "Hello, wörld\n")
    assert "SUCCEEDED" in done.stderr
    assert gateway.sent[-1].headers["Accept"] == "text/event-stream"
    assert json.loads(call("execute", "echo", "--stream", "--json").stdout) == JOB


def test_execute_goes_on_where_a_stream_breaks(gateway: FakeGateway, call: Any) -> None:
    """It asks for the job, which went on."""
    running = JOB | {"status": "RUNNING", "output": None}
    told = streamed(("accepted", running), ("chunk", {"text": "Hel", "offset": 0}))
    gateway.media_type = "text/event-stream"
    gateway.answer("POST /v1/tools/echo/execute", 200, told)
    gateway.answer(f"GET /v1/jobs/{JOB['job_id']}", 200, JOB)
    assert "SUCCEEDED" in call("execute", "echo", "--stream").stderr


def test_execute_takes_files_and_stdin(gateway: FakeGateway, call: Any, tmp_path: Path) -> None:
    """A file becomes a data: URL of its media type; the input may come from stdin or a file."""
    gateway.answer("POST /v1/tools/echo/execute", 200, JOB)
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1")
    done = call("execute", "echo", "--input", "@-", "--file", f"file={tmp_path / 'a.pdf'}", stdin='{"n": 1}')
    assert done.exit_code == 0
    encoded = base64.b64encode(b"%PDF-1").decode()
    assert gateway.sent[0].body == {"input": {"n": 1, "file": f"data:application/pdf;base64,{encoded}"}}


def test_execute_waits_on_after_202(gateway: FakeGateway, call: Any) -> None:
    """A job that outlasts the call is asked for until it ends; with --wait 0 it is left alone."""
    gateway.answer("POST /v1/tools/echo/execute", 202, JOB | {"status": "RUNNING", "output": None})
    gateway.answer("GET /v1/jobs/j1", 200, JOB)
    assert json.loads(call("execute", "echo", "--json").stdout)["status"] == "SUCCEEDED"
    left = call("execute", "echo", "--wait", "0")
    assert (left.exit_code, left.stdout) == (0, "")
    assert "scrip jobs get j1" in left.stderr
    assert [one.method for one in gateway.sent] == ["POST", "GET", "POST"]
    assert gateway.sent[-1].headers["Prefer"] == "wait=0"


@pytest.mark.parametrize("status", ["FAILED", "CANCELED", "INDETERMINATE"])
def test_a_job_that_did_not_succeed_is_status_1(gateway: FakeGateway, call: Any, status: str) -> None:
    """Any ending but success is status 1 and says why, as JSON too."""
    ended = JOB | {"status": status, "output": None, "error": {"reason": "BROKEN", "message": "no pages"}}
    gateway.answer("POST /v1/tools/echo/execute", 200, ended)
    done = call("execute", "echo")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "no pages" in done.stderr
    said = json.loads(call("execute", "echo", "--json").stdout)
    assert (said["reason"], said["job_id"]) == (f"JOB_{status}", "j1")


REFUSALS = [
    (401, "UNAUTHENTICATED", {}, "Check SCRIP_KEY"),
    (402, "INSUFFICIENT_CREDITS", {"required": "5", "available": "1", "reserved": "0"}, "required 5, available 1"),
    (403, "TOOL_DISABLED", {}, "switched it off"),
    (404, "TOOL_NOT_FOUND", {}, "scrip tools list"),
    (
        422,
        "INPUT_INVALID",
        {"errors": [{"pointer": "/text", "keyword": "type", "message": "not a string"}]},
        "/text: not",
    ),
    (503, "TOOL_UNAVAILABLE", {}, "because TOOL_UNAVAILABLE"),
]


@pytest.mark.parametrize(("status", "reason", "more", "said"), REFUSALS)
def test_a_refusal_is_status_1(
    gateway: FakeGateway, call: Any, status: int, reason: str, more: dict[str, Any], said: str
) -> None:
    """A refusal says what happened, with its numbers, and what to do; --json gives the problem itself."""
    gateway.problem("POST /v1/tools/echo/execute", status, reason, **more)
    done = call("execute", "echo")
    assert (done.exit_code, done.stdout) == (1, "")
    assert said in done.stderr
    as_json = call("execute", "echo", "--json")
    assert as_json.exit_code == 1
    assert more.items() <= json.loads(as_json.stdout).items()
    assert json.loads(as_json.stdout)["reason"] == reason


UNREACHABLE = [
    (502, "<html>bad gateway</html>"),
    (200, "<html>another site</html>"),
    (503, {"reason": "UPSTREAM_UNAVAILABLE", "detail": "the ledger is down"}),
]


@pytest.mark.parametrize(("status", "body"), UNREACHABLE)
def test_no_answer_of_scrip_is_status_3(gateway: FakeGateway, call: Any, status: int, body: Any) -> None:
    """Somebody in between, somebody else, or a part that is down: the same call may work later."""
    gateway.answer("GET /v1/account", status, body)
    done = call("balance", "--json")
    assert (done.exit_code, json.loads(done.stdout)["reason"]) == (3, "UNREACHABLE")


def test_nobody_there_is_status_3(tmp_path: Path) -> None:
    """No run.json, or nobody behind the address."""
    nothing = scrip("balance", "--data-dir", tmp_path)
    assert (nothing.exit_code, "scrip run" in nothing.stderr) == (3, True)
    refused = scrip("balance", env={"SCRIP_URL": "http://127.0.0.1:9", "SCRIP_KEY": "k"})
    assert (refused.exit_code, "cannot be reached" in refused.stderr) == (3, True)


USAGE = [
    ("grant", "acme", "1.1234567"),
    ("grant", "acme", "0"),
    ("grant", "acme", "NaN"),
    ("grant", "acme", "much"),
    ("grant", "acme", "1", "--source", "thin-air"),
    ("execute", "echo", "--input", "{"),
    ("execute", "echo", "--input", "[]"),
    ("execute", "echo", "--input", "@/no/such/file"),
    ("execute", "echo", "--file", "nothing"),
    ("execute", "echo", "--file", "file=/no/such/file"),
    ("keys", "create"),
    ("tools", "show"),
]


@pytest.mark.parametrize("arguments", USAGE)
def test_wrong_usage_is_status_2_and_sends_nothing(gateway: FakeGateway, call: Any, arguments: tuple[str, ...]) -> None:
    """What is wrong on the command line is found before anything is sent."""
    done = call(*arguments)
    assert done.exit_code == 2
    assert done.stderr
    assert gateway.sent == []


@pytest.mark.parametrize(
    "arguments",
    [("migrate",), ("migrate", "--dsn", "nobody=x"), ("migrate", "--dsn", "ledger=@/no/file"), ("run", "--port", "-1")],
)
def test_wrong_usage_of_local_commands_is_status_2(arguments: tuple[str, ...]) -> None:
    """The commands that talk to no gateway check their usage too."""
    assert scrip(*arguments).exit_code == 2
