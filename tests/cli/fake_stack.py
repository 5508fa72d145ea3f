"""`scrip run` with PostgreSQL, NATS and supervision for real, and a stand-in for each service.

Arguments: the folder where the stand-ins write, then those of `scrip run`.
"""

import sys
from pathlib import Path
from unittest import mock

from services.cli.commands.run import run
from services.cli.local import stack
from services.cli.local.child import Process
from services.cli.migration import Migrated

FAKE_SERVICE = Path(__file__).with_name("fake_service.py")


class FakeProcess(Process):
    """A Process whose `python -m services.NAME` runs the stand-in."""

    def __init__(self, **values: object) -> None:
        argv = values["argv"]
        assert isinstance(argv, list)
        if "-m" in argv:
            values["argv"] = [sys.executable, str(FAKE_SERVICE), str(values["name"]), sys.argv[1]]
        super().__init__(**values)  # type: ignore[arg-type]


async def nothing_to_migrate(*_: object) -> Migrated:
    """The stand-ins have no tables."""
    return Migrated({}, topology_declared=True, admin_key_made=True)


if __name__ == "__main__":
    with mock.patch.object(stack, "Process", FakeProcess), mock.patch.object(stack, "migrate_all", nothing_to_migrate):
        run(sys.argv[2:])
