"""The commands about credits, against a gateway that records what it is sent."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import click.testing
import pytest

from services.cli.main import SECTIONS, main

from .support import FakeGateway
from .test_commands import ADMIN_KEY, USER_KEY, call, data_dir, gateway, scrip  # noqa: F401 (fixtures)

ACME = "/v1/admin/accounts/acme"
CREDITS = {"available": "12.5", "reserved": "0", "spent": "1", "expired": "0", "voided": "0", "granted": "13.5"}
GRANT = {
    "grant_id": "grant_1",
    "state": "LIVE",
    "source": "purchase",
    "credits": "13.5",
    "available": "12.5",
    "reserved": "0",
    "priority": 100,
    "expires_at": None,
}
ACCOUNT = {
    "account_id": "acme",
    "state": "ACTIVE",
    "credits": CREDITS,
    "credit_limit": "100",
    "owed": "0",
    "open_reservations": 2,
    "grants": [GRANT],
    "as_of": "2031-01-31T00:00:00Z",
    "as_of_position": "3:42",
}
ENTRY = {
    "position": "3:42",
    "recorded_at": "2031-01-31T10:20:30.123456Z",
    "kind": "captured",
    "amount": "1",
    "available_after": "12.5",
    "reserved_after": "0",
    "reservation_id": "job_1",
    "tool": "echo",
}


def query_of(path: str) -> dict[str, list[str]]:
    """The query of a path that was called."""
    return parse_qs(urlsplit(path).query)


@pytest.mark.parametrize(
    ("at", "query"),
    [
        ("3:42", {"position": ["3:42"]}),
        ("2031-01-31", {"at": ["2031-01-31T00:00:00Z"]}),
        ("2031-01-31T01:00:00+01:00", {"at": ["2031-01-31T01:00:00+01:00"]}),
    ],
)
def test_a_balance_is_asked_for_as_it_was(gateway: FakeGateway, call: Any, at: str, query: dict[str, Any]) -> None:  # noqa: F811
    """At a position, a date or a time; the answer says for when it holds, and what is out of the ordinary."""
    gateway.answer(f"GET {ACME}", 200, ACCOUNT)
    said = call("balance", "acme", "--at", at).stdout
    assert query_of(gateway.sent[0].path) == query
    for part in ("position 3:42", "credit limit  100", "2 open", "grant_1"):
        assert part in said
    assert "owed" not in said


def test_a_statement_is_filtered_and_follows_its_pages(gateway: FakeGateway, call: Any) -> None:  # noqa: F811
    """Filters reach the gateway, pages are read up to the limit, and older entries are told of."""
    gateway.answer("GET /v1/account/statement", 200, {"entries": [ENTRY] * 2, "next_page_token": "p2"})
    gateway.answer("GET /v1/account/statement", 200, {"entries": [ENTRY], "next_page_token": "p3"})
    done = call("statement", "--kind", "captured", "--kind", "refunded", "--from", "2031-01-01", "--limit", "3")
    assert [query_of(one.path) for one in gateway.sent] == [
        {"kind": ["captured,refunded"], "from": ["2031-01-01T00:00:00Z"], "page_size": ["3"]},
        {"kind": ["captured,refunded"], "from": ["2031-01-01T00:00:00Z"], "page_size": ["1"], "page_token": ["p2"]},
    ]
    assert gateway.sent[0].headers["Authorization"] == f"Bearer {USER_KEY}"
    lines = done.stdout.splitlines()
    assert lines[1].split() == ["3:42", "2031-01-31T10:20:30Z", "captured", "1", "12.5", "0", "echo,", "job_1"]
    assert len(lines) == 4
    assert "older ones" in done.stderr
    as_json = json.loads(call("statement", "acme", "--json", "--limit", "1").stdout or "{}")
    assert as_json.get("reason") == "UNKNOWN"


def test_grants_and_reservations_are_listed(gateway: FakeGateway, call: Any) -> None:  # noqa: F811
    """By state; what is not there is said beside the answer, so that a pipe gets nothing."""
    gateway.answer(f"GET {ACME}/grants", 200, {"grants": [GRANT], "next_page_token": ""})
    gateway.answer("GET /v1/account/reservations", 200, {"reservations": [], "next_page_token": ""})
    assert "grant_1" in call("grants", "acme", "--state", "live").stdout
    none = call("reservations")
    assert (none.exit_code, none.stdout, none.stderr) == (0, "", "No reservations that are OPEN.\n")
    assert [query_of(one.path) for one in gateway.sent] == [
        {"state": ["LIVE"], "page_size": ["50"]},
        {"state": ["OPEN"], "page_size": ["50"]},
    ]


def test_a_balance_is_explained(gateway: FakeGateway, call: Any) -> None:  # noqa: F811
    """A sentence first, then the numbers, then what led to them."""
    answer = {"summary": "12.5 are available.", "credits": CREDITS, "grants": [GRANT], "entries": [ENTRY]}
    gateway.answer(f"GET {ACME}/explain", 200, answer)
    said = call("explain", "acme", "--request-id", "k1").stdout
    assert said.index("12.5 are available.") < said.index("granted") < said.index("grant_1") < said.index("3:42")
    assert query_of(gateway.sent[0].path) == {"request_id": ["k1"], "page_size": ["20"]}
    assert call("explain", "acme", "--request-id", "k", "--position", "1:2").exit_code == 2


COMMANDS: list[tuple[list[str], str, dict[str, Any], dict[str, Any], str]] = [
    (
        ["accounts", "freeze", "acme", "--reason", "r"],
        "freeze",
        {"reason": "r"},
        ACCOUNT | {"state": "FROZEN"},
        "acme is FROZEN.",
    ),
    (["accounts", "unfreeze", "acme"], "unfreeze", {"reason": ""}, ACCOUNT, "acme is ACTIVE."),
    (
        ["accounts", "close", "acme", "--reason", "r", "--void"],
        "close",
        {"reason": "r", "disposal": "void"},
        ACCOUNT | {"state": "CLOSED"},
        "acme is CLOSED.",
    ),
    (
        ["accounts", "limit", "acme", "100"],
        "credit-limit",
        {"credit_limit": "100", "reason": ""},
        ACCOUNT,
        "credit limit of 100.",
    ),
    (
        ["void", "acme", "grant/1"],
        "grants/grant%2F1/void",
        {"reason": ""},
        {"grant": GRANT | {"reserved": "2"}, "credits": "5"},
        "Grant grant/1 is voided: 5 credits of acme were withdrawn; 2 are still reserved.",
    ),
    (
        ["refund", "acme", "job_1", "1.5", "--reason", "r"],
        "refunds",
        {"reservation_id": "job_1", "credits": "1.5", "reason": "r"},
        {"credits": "1.5", "refunded": "2", "grant_id": "g2"},
        "Refunded 1.5 credits to acme, a part as grant g2; 2 of its credits in all.",
    ),
    (
        ["adjust", "acme", "-2.50", "--reason", "r"],
        "adjustments",
        {"credits": "-2.50", "reason": "r"},
        {"credits": "-2.5", "available": "10"},
        "Adjusted acme by -2.5 credits; 10 available.",
    ),
    (
        ["transfer", "acme", "b", "25"],
        "transfers",
        {"to_account_id": "b", "credits": "25", "reference": ""},
        {"credits": "25", "state": "COMPLETED"},
        "25 credits left acme for b; they have arrived.",
    ),
    (
        ["grant", "acme", "5", "--effective-at", "2031-01-31"],
        "grants",
        {"credits": "5", "source": "promotion", "effective_at": "2031-01-31T00:00:00Z"},
        GRANT | {"state": "SCHEDULED", "credits": "5", "effective_at": "2031-01-31T00:00:00Z"},
        "effective 2031-01-31T00:00:00Z.",
    ),
]


@pytest.mark.parametrize(("arguments", "path", "body", "answer", "said"), COMMANDS)
def test_a_command_is_sent_once_and_told(
    gateway: FakeGateway,  # noqa: F811
    call: Any,  # noqa: F811
    arguments: list[str],
    path: str,
    body: dict[str, Any],
    answer: dict[str, Any],
    said: str,
) -> None:
    """With the admin's key, and an Idempotency-Key that is told before the call; `--json` gives the answer itself."""
    gateway.answer(f"POST {ACME}/{path}", 200, answer)
    done = call(*arguments)
    assert (done.exit_code, done.stdout.endswith(f"{said}\n")) == (0, True), done.stdout + done.stderr
    assert json.loads(call(*arguments, "--json", "--idempotency-key", "mine").stdout) == answer
    first, second = gateway.sent
    assert first.body == second.body == body
    assert first.headers["Authorization"] == f"Bearer {ADMIN_KEY}"
    assert first.headers["Idempotency-Key"] in done.stderr
    assert second.headers["Idempotency-Key"] == "mine"


def test_an_account_is_opened_or_there(gateway: FakeGateway, call: Any) -> None:  # noqa: F811
    """The answer tells which; without a name it gets one."""
    gateway.answer("POST /v1/admin/accounts", 201, ACCOUNT)
    gateway.answer("POST /v1/admin/accounts", 200, ACCOUNT)
    assert call("accounts", "create", "--limit", "5").stdout == "Opened account acme.\n"
    assert call("accounts", "create", "acme").stdout == "There is already account acme.\n"
    assert [one.body for one in gateway.sent] == [{"credit_limit": "5"}, {"account_id": "acme"}]


def test_accounts_are_listed(gateway: FakeGateway, call: Any) -> None:  # noqa: F811
    """One line an account."""
    gateway.answer("GET /v1/admin/accounts", 200, {"accounts": [ACCOUNT], "next_page_token": ""})
    assert call("accounts", "list").stdout.splitlines()[1].split() == ["acme", "ACTIVE", "12.5", "0", "1", "100"]


def test_the_books_sum_to_zero(gateway: FakeGateway, call: Any) -> None:  # noqa: F811
    """Each book with its credits, and their sum, exactly."""
    books = {"available": "5.1", "reserved": "0.2", "revenue": "0.1", "breakage": "0", "transit": "0"}
    gateway.answer("GET /v1/admin/ledger/totals", 200, books | {"issuance": "-5.4", "positions": ["0:1"]})
    lines = call("totals").stdout.splitlines()
    assert lines[1].split()[:2] == ["available", "5.1"]
    assert lines[-1].split() == ["sum", "0"]


def test_a_system_that_fits_together_has_no_findings(gateway: FakeGateway, call: Any) -> None:  # noqa: F811
    """One sentence, exit status 0."""
    gateway.answer("GET /v1/admin/reconciliation", 200, RECONCILED | {"findings": []})
    found = call("reconcile")
    assert (found.exit_code, found.stdout) == (0, "All jobs and reservations fit, as of 2031-01-31T00:00:00Z.\n")


def test_findings_are_shown_with_what_to_do(gateway: FakeGateway, call: Any) -> None:  # noqa: F811
    """A line each, how many there are of a kind and what to do about it; exit status 1, also as JSON."""
    gateway.answer("GET /v1/admin/reconciliation", 200, RECONCILED)
    found = call("reconcile", "--grace", "0")
    lines = found.stdout.splitlines()
    assert found.exit_code == 1
    assert lines[1].split() == ["captured_otherwise", "2031-01-31T00:00:00Z", "acme", "job_1", "echo", "0.1", "0.2"]
    assert lines[-1] == "captured_otherwise: at least 1000. Look."
    assert call("reconcile", "--json").exit_code == 1
    assert next(one.path for one in gateway.sent).endswith("?grace_seconds=0")


RECONCILED = {
    "findings": [
        {
            "kind": "captured_otherwise",
            "account_id": "acme",
            "job_id": "job_1",
            "tool": "echo",
            "job_credits": "0.1",
            "ledger_credits": "0.2",
            "since": "2031-01-31T00:00:00Z",
            "advice": "Look.",
        }
    ],
    "counts": {"captured_otherwise": {"count": 1000, "cut_off": True}},
    "ran_at": "2031-01-31T00:00:00Z",
    "compared_until": "2031-01-31T00:00:00Z",
}
USAGE = [
    ("reconcile", "--grace", "-1"),
    ("balance", "acme", "--at", "yesterday"),
    ("balance", "acme", "--at", "2031-01-31T00:00:00"),
    ("statement", "--limit", "0"),
    ("statement", "--from", "2031-13-01"),
    ("grants", "--state", "OPEN"),
    ("reservations", "--state", "LIVE"),
    ("adjust", "acme", "0", "--reason", "r"),
    ("adjust", "acme", "-0.0000001", "--reason", "r"),
    ("adjust", "acme", "-1"),
    ("adjust", "acme", "-1", "--reasn", "r"),
    ("refund", "acme", "job_1", "-1", "--reason", "r"),
    ("refund", "acme", "job_1", "1"),
    ("transfer", "acme", "b", "1e-7"),
    ("accounts", "limit", "acme", "-1"),
    ("accounts", "close", "acme"),
    ("grant", "acme", "1", "--expires-at", "soon"),
]


@pytest.mark.parametrize("arguments", USAGE)
def test_wrong_usage_is_status_2_and_sends_nothing(
    gateway: FakeGateway,  # noqa: F811
    call: Any,  # noqa: F811
    arguments: tuple[str, ...],
) -> None:
    """What is wrong on the command line is found before anything is sent."""
    done = call(*arguments)
    assert (done.exit_code, bool(done.stderr), gateway.sent) == (2, True, [])


def every_command() -> list[str]:
    """The names of all commands, those of groups with their group's."""
    found = []
    for name, command in main.commands.items():
        inner = command.commands if isinstance(command, click.Group) else {}
        found += [f"{name} {one}" for one in inner] or [name]
    return found


@pytest.mark.parametrize("command", every_command())
def test_every_command_has_an_example_and_speaks_json(command: str) -> None:
    """Each command's help shows how it is called."""
    said = scrip(*command.split(), "--help").stdout
    assert f"scrip {command}" in said.partition("Example")[2]
    assert "--json" in said


def test_the_help_fits_its_lines() -> None:
    """Each command stands in one section, with a sentence that is not cut off."""
    names = [command.name for commands in SECTIONS.values() for command in commands]
    assert sorted(map(str, names)) == sorted(main.commands)
    said = click.testing.CliRunner().invoke(main, ["--help"]).stdout
    assert "..." not in said.partition("Run:")[2]
    assert all(len(line) <= 80 for line in said.partition("Run:")[2].splitlines())
