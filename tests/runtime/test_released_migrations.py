"""Migrations that databases have already stay as they were; `make baseline` writes down those of a release.

Where one is renamed or changed, a service refuses to start on a database that has it.
"""

import hashlib
from importlib import resources
from pathlib import Path

from services.cli.local.services import SERVICES

RELEASED = Path(__file__).with_name("released_migrations.txt")


def present() -> list[str]:
    """A line for each: SHA-256, service, name."""
    return [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()} {service.name} {file.name}"
        for service in SERVICES.values()
        for file in sorted(resources.files(service.migrations).iterdir(), key=lambda file: file.name)
        if file.name.endswith(".sql")
    ]


def test_released_migrations_stay_as_they_are() -> None:
    """Each is there, under its name and with its content."""
    released = RELEASED.read_text(encoding="utf-8").splitlines()
    assert len(released) > 0
    assert set(released) - set(present()) == set()


if __name__ == "__main__":
    RELEASED.write_text("\n".join(present()) + "\n", encoding="utf-8")
