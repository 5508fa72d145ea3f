"""Settings: everything that is wrong is told at once, and nothing misspelt passes."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import Field, ValidationError

from services.runtime import lifecycle
from services.runtime.settings import Addresses, ServiceSettings, SettingsError, is_loopback, load

GOOD = {
    "SCRIP_DSN": "postgresql://db/scrip",
    "SCRIP_NATS_URL": "nats://127.0.0.1:4222",
    "SCRIP_GRPC_LISTEN": "127.0.0.1:9000",
    "SCRIP_OPS_LISTEN": "127.0.0.1:9100",
    "SCRIP_SERVICE_TOKENS_FILE": "/run/tokens",
}


class Settings(ServiceSettings):
    ledger_address: Addresses = Field(default="localhost:1", description="host:port of each ledger")
    workers: int = Field(default=2, ge=1, description="how many")


def test_good_settings_are_read_and_frozen() -> None:
    """Names of fields are those of variables without the prefix; other variables are nobody's business."""
    settings = load(Settings, {**GOOD, "SCRIP_WORKERS": "7", "PATH": "/bin", "SCRIPTS": "x"})
    assert (settings.dsn, settings.workers, settings.service_tokens_file) == (
        "postgresql://db/scrip",
        7,
        Path("/run/tokens"),
    )
    with pytest.raises(ValidationError):
        settings.workers = 8  # type: ignore[misc]


def test_a_service_may_have_several_replicas() -> None:
    """Their addresses have commas between them, and blanks if one likes."""
    settings = load(Settings, {**GOOD, "SCRIP_LEDGER_ADDRESS": "localhost:1, 127.0.0.1:2"})
    assert settings.ledger_address == "localhost:1,127.0.0.1:2"


# What is changed in a good environment (None: left out), and the lines that tell what is wrong.
MISTAKES: dict[str, tuple[Mapping[str, str | None], list[str]]] = {
    "missing": ({"SCRIP_DSN": None}, ["SCRIP_DSN: Field required"]),
    "unknown": ({"SCRIP_DNS": "x"}, ["SCRIP_DNS: unknown setting"]),
    "unknown file": ({"SCRIP_DNS_FILE": "x"}, ["SCRIP_DNS_FILE: unknown setting"]),
    "not a number": ({"SCRIP_WORKERS": "many"}, ["SCRIP_WORKERS: Input should be a valid integer"]),
    "out of range": ({"SCRIP_WORKERS": "0"}, ["SCRIP_WORKERS: Input should be greater than or equal to 1"]),
    "no port": ({"SCRIP_GRPC_LISTEN": "localhost"}, ["SCRIP_GRPC_LISTEN: must be host:port"]),
    "port too high": ({"SCRIP_OPS_LISTEN": "localhost:65536"}, ["SCRIP_OPS_LISTEN: must be host:port"]),
    "a word as port": ({"SCRIP_OPS_LISTEN": "localhost:http"}, ["SCRIP_OPS_LISTEN: must be host:port"]),
    "log level": ({"SCRIP_LOG_LEVEL": "loud"}, ["SCRIP_LOG_LEVEL: String should match pattern"]),
    "file of a setting that is given": (
        {"SCRIP_DSN_FILE": "/x"},
        ["SCRIP_DSN_FILE: SCRIP_DSN is set too; give one of the two"],
    ),
    "file that is not there": (
        {"SCRIP_DSN": None, "SCRIP_DSN_FILE": "/no/such/file"},
        ["SCRIP_DSN: Field required", "SCRIP_DSN_FILE: cannot read /no/such/file: No such file or directory"],
    ),
    "gRPC to the world": (
        {"SCRIP_GRPC_LISTEN": "0.0.0.0:9000"},
        ["SCRIP_GRPC_LISTEN=0.0.0.0:9000 leaves"],
    ),
    "a peer elsewhere": (
        {"SCRIP_LEDGER_ADDRESS": "ledger:9000"},
        ["SCRIP_LEDGER_ADDRESS=ledger:9000 leaves"],
    ),
    "one of several peers elsewhere": (
        {"SCRIP_LEDGER_ADDRESS": "localhost:9000,ledger:9000"},
        ["SCRIP_LEDGER_ADDRESS=localhost:9000,ledger:9000 leaves"],
    ),
    "no port in one of several": (
        {"SCRIP_LEDGER_ADDRESS": "localhost:9000,localhost"},
        ["SCRIP_LEDGER_ADDRESS: must be host:port"],
    ),
    "several": (
        {"SCRIP_DSN": None, "SCRIP_WORKERS": "x", "SCRIP_COLOUR": "red"},
        ["SCRIP_COLOUR: unknown", "SCRIP_DSN: Field required", "SCRIP_WORKERS: Input should"],
    ),
}


@pytest.mark.parametrize(("changes", "lines"), MISTAKES.values(), ids=MISTAKES)
def test_all_that_is_wrong_is_told_in_one_error(changes: Mapping[str, str | None], lines: list[str]) -> None:
    """One line a mistake, in the order of their names, and no line for what is right."""
    environ = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    with pytest.raises(SettingsError) as caught:
        load(Settings, environ)
    told = str(caught.value).splitlines()
    assert told[0] == "settings are wrong:"
    assert len(told) == 1 + len(lines)
    for line, expected in zip(told[1:], lines, strict=True):
        assert line.strip().startswith(expected)


def test_a_setting_may_come_from_a_file(tmp_path: Path) -> None:
    """SCRIP_X_FILE names a file whose content, without the newline at its end, is the value."""
    (tmp_path / "dsn").write_text("postgresql://secret/db\n")
    environ = {name: value for name, value in GOOD.items() if name != "SCRIP_DSN"}
    assert load(Settings, {**environ, "SCRIP_DSN_FILE": str(tmp_path / "dsn")}).dsn == "postgresql://secret/db"


def test_plaintext_beyond_this_machine_must_be_allowed() -> None:
    """With SCRIP_ALLOW_PLAINTEXT=1 the network is trusted."""
    environ = {**GOOD, "SCRIP_GRPC_LISTEN": "0.0.0.0:9000", "SCRIP_ALLOW_PLAINTEXT": "1"}
    assert load(Settings, environ).grpc_listen == "0.0.0.0:9000"


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1:1", True),
        ("127.9.9.9:1", True),
        ("localhost:1", True),
        ("[::1]:1", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("10.0.0.1:1", False),
        ("localhost.example:1", False),
    ],
)
def test_only_loopback_stays_on_this_machine(address: str, loopback: bool) -> None:
    """An address is of this machine only if it cannot be another's."""
    assert is_loopback(address) is loopback


def test_a_wrong_setting_ends_the_process_with_its_lines() -> None:
    """A service that cannot start says why, without a stack trace."""

    async def serve(_stop: object) -> None:
        load(Settings, {})

    with pytest.raises(SystemExit) as caught:
        lifecycle.run(serve)
    assert "SCRIP_DSN: Field required" in str(caught.value.code)
