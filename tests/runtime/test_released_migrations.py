"""Migrations that databases have already are there for ever, as they were."""

import hashlib
from importlib import resources
from pathlib import Path

from services.cli.local.services import SERVICES

RELEASED = Path(__file__).with_name("released_migrations.txt")


def test_released_migrations_stay_as_they_are() -> None:
    """Where one was renamed or changed, a service refuses to start on a database that has it. New ones are written to
    the list with their release."""
    differ = []
    for line in RELEASED.read_text(encoding="utf-8").splitlines():
        checksum, service, name = line.split()
        file = resources.files(SERVICES[service].migrations).joinpath(name)
        if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != checksum:
            differ.append(f"{service}: {name}")
    assert differ == []
