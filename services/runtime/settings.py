"""Settings from the environment: `SCRIP_X`, or `SCRIP_X_FILE` naming a file that holds the value.

A service declares a frozen pydantic model; field `nats_url` is `SCRIP_NATS_URL`. All bad fields are told in one error,
and a `SCRIP_*` that the service does not know is one of them: a misspelt setting must not pass in silence.
"""

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

PREFIX = "SCRIP_"
FILE_SUFFIX = "_FILE"


class SettingsError(Exception):
    """The environment does not fit; the text lists every setting that is wrong."""


def _address(value: str) -> str:
    host, separator, port = value.rpartition(":")
    if not separator or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("must be host:port")
    return value


def _addresses(value: str) -> str:
    return ",".join(_address(address.strip()) for address in value.split(","))


Address = Annotated[str, AfterValidator(_address)]
Addresses = Annotated[str, AfterValidator(_addresses)]
"""One or several, separated by commas: the replicas of a service."""


def is_loopback(address: str) -> bool:
    """Whether `host:port` stays on this machine."""
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class ServiceSettings(BaseModel):
    """What every service is given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dsn: str = Field(description="PostgreSQL connection string of the service's own database")
    nats_url: str = Field(description="nats://user:password@host:port")
    grpc_listen: Address = Field(description="host:port of the gRPC server")
    ops_listen: Address = Field(description="host:port of /metrics, /livez and /readyz")
    service_tokens_file: Path = Field(description="who may call: a line `name sha256-hex` each")
    service_token: str = Field(default="", description="own token for calling other services")
    allow_plaintext: bool = Field(default=False, description="gRPC without TLS beyond this machine")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    log_format: str = Field(default="json", pattern="^(json|console)$")

    @model_validator(mode="after")
    def _plaintext_stays_on_this_machine(self) -> Self:
        for name in type(self).model_fields:
            if name != "grpc_listen" and not name.endswith("_address"):
                continue
            addresses: str = getattr(self, name)
            if not self.allow_plaintext and not all(map(is_loopback, addresses.split(","))):
                raise ValueError(
                    f"{PREFIX}{name.upper()}={addresses} leaves this machine without TLS; "
                    f"set {PREFIX}ALLOW_PLAINTEXT=1 where the network is trusted"
                )
        return self


S = TypeVar("S", bound=BaseModel)


def load(model: type[S], environ: Mapping[str, str] | None = None) -> S:
    """The settings of `model` from the environment; raises SettingsError naming all that is wrong."""
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in environ.items():
        if not name.startswith(PREFIX):
            continue
        field = name.removeprefix(PREFIX).lower()
        if field in model.model_fields:
            values[field] = value
            continue
        field_of_file = field.removesuffix(FILE_SUFFIX.lower())
        if not name.endswith(FILE_SUFFIX) or field_of_file not in model.model_fields:
            problems.append(f"{name}: unknown setting")
        elif f"{PREFIX}{field_of_file.upper()}" in environ:
            problems.append(f"{name}: {PREFIX}{field_of_file.upper()} is set too; give one of the two")
        else:
            try:
                values[field_of_file] = Path(value).read_text(encoding="utf-8").strip()
            except OSError as error:
                problems.append(f"{name}: cannot read {value}: {error.strerror}")
    try:
        settings = model.model_validate(values)
    except ValidationError as error:
        problems += [_problem(item["loc"], item["msg"]) for item in error.errors()]
    if problems:
        raise SettingsError("settings are wrong:\n" + "\n".join(f"  {line}" for line in sorted(problems)))
    return settings


def _problem(location: tuple[int | str, ...], message: str) -> str:
    name = PREFIX + "_".join(str(part) for part in location).upper() + ": " if location else ""
    return f"{name}{message.removeprefix('Value error, ')}"
