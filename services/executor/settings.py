"""Settings of the executor, from the environment."""

import os
from pathlib import Path

from pydantic import Field

from services.runtime import settings as runtime_settings
from services.runtime.settings import Address, Addresses, ServiceSettings


class Settings(ServiceSettings):
    """What the executor is given; durations in seconds."""

    ledger_address: Addresses = Field(description="host:port of each of the ledger's gRPC servers, with commas between")
    catalog_address: Address = Field(description="host:port of the catalog's gRPC server")
    secrets_dir: Path | None = Field(default=None, description="folder with a file per provider secret")
    workers: int = Field(
        default_factory=lambda: max(os.cpu_count() or 1, 2),
        ge=1,
        le=256,
        description="tool processes, which is how many tools run at once; default: one a CPU, at least 2",
    )
    worker_memory_mb: int = Field(default=2048, ge=256, description="address space of one tool process, MiB")
    lease_seconds: float = Field(
        default=15, ge=1, le=300, description="how long a silent executor keeps its jobs; renewed at a third of it"
    )


def load() -> Settings:
    """The settings; afterwards this process has no SCRIP_* left for its tool processes to inherit.

    Raises SettingsError naming all that is wrong.
    """
    settings = runtime_settings.load(Settings)
    for name in [name for name in os.environ if name.startswith(runtime_settings.PREFIX)]:
        del os.environ[name]
    return settings
