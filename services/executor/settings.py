"""Settings of the executor, from the environment."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from services.runtime import settings as runtime_settings
from services.runtime.settings import Address, Addresses, ServiceSettings

SECRET_PREFIX = f"{runtime_settings.PREFIX}SECRET_"


def _bases(value: object) -> object:
    """`from=to, from=to` as a mapping."""
    if not isinstance(value, str):
        return value
    bases = dict(part.strip().partition("=")[::2] for part in value.split(",") if part.strip())
    for base, other in bases.items():
        if not base.startswith("https://") or not other.startswith(("http://", "https://")):
            raise ValueError(f"{base}={other} must be https://host=http(s)://host[:port][/path]")
    return {base.rstrip("/"): other.rstrip("/") for base, other in bases.items()}


Bases = Annotated[dict[str, str], BeforeValidator(_bases)]


class Settings(ServiceSettings):
    """What the executor is given; durations in seconds."""

    ledger_address: Addresses = Field(description="host:port of each of the ledger's gRPC servers, with commas between")
    catalog_address: Address = Field(description="host:port of the catalog's gRPC server")
    secrets_dir: Path | None = Field(default=None, description="folder with a file per provider secret")
    secrets: dict[str, str] = Field(
        default={}, repr=False, description="values of provider secrets: SCRIP_SECRET_<NAME> for each"
    )
    provider_bases: Bases = Field(
        default={}, description="where providers are called instead: https://api.example.com=http://proxy:8080, …"
    )
    provider_concurrency: int = Field(
        default=16, ge=1, le=64, description="calls of one provider under way at once; of all there are at most 64"
    )
    webhook_url: str = Field(
        default="",
        pattern=r"^(https://.+)?$",
        description="where providers reach the gateway from outside, to call back; empty: they are looked at alone",
    )
    workers: int = Field(
        default_factory=lambda: max(os.cpu_count() or 1, 2),
        ge=1,
        le=256,
        description="tool processes, which is how many tools run at once; default: one a CPU, at least 2",
    )
    worker_memory_mb: int = Field(default=2048, ge=256, description="address space of one tool process, MiB")
    files_memory_mb: int = Field(
        default=256, ge=64, description="memory for stored files of inputs, over all calls at one time, MiB"
    )
    job_content_days: int = Field(
        default=30,
        ge=1,
        le=3_650,
        description="how long input, output and files of a job are kept after it was settled; its record stays",
    )
    lease_seconds: float = Field(
        default=15, ge=1, le=300, description="how long a silent executor keeps its jobs; renewed at a third of it"
    )
    drain_seconds: float = Field(
        default=600,
        ge=1,
        le=3600,
        description="after SIGTERM, how long calls get to end that must not be made twice; the others are handed over",
    )
    reconcile_seconds: float = Field(
        default=60,
        ge=1,
        le=86_400,
        description="how often jobs are compared with reservations, by one of all executors",
    )
    indeterminate_seconds: float = Field(
        default=86_400,
        ge=60,
        le=30 * 86_400,
        description="how long a job's outcome may be unknown before its tool's rule for that ends it",
    )


def load() -> Settings:
    """The settings; afterwards this process has no SCRIP_* left for its tool processes to inherit.

    Raises SettingsError naming all that is wrong.
    """
    secrets = {
        name.removeprefix(SECRET_PREFIX): value for name, value in os.environ.items() if name.startswith(SECRET_PREFIX)
    }
    environ = {name: value for name, value in os.environ.items() if not name.startswith(SECRET_PREFIX)}
    settings = runtime_settings.load(Settings, environ).model_copy(update={"secrets": secrets})
    for name in [name for name in os.environ if name.startswith(runtime_settings.PREFIX)]:
        del os.environ[name]
    return settings
