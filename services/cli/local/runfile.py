"""`run.json`: what other programs need to know of a run, kept true while it lasts."""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from services.cli.local.files import write_private

RUN_FILE = "run.json"


@dataclass(frozen=True)
class RunFile:
    """The content of `run.json`; the field names are part of the product."""

    http_url: str
    grpc: dict[str, str]
    ops: dict[str, str]
    nats_url: str
    dsn: dict[str, str]
    demo_account: str
    demo_key: str
    admin_key: str
    pids: dict[str, int] = field(default_factory=dict)

    def with_pids(self, pids: dict[str, int]) -> "RunFile":
        """The same with other process ids."""
        return replace(self, pids=pids)

    def as_json(self) -> dict[str, object]:
        """The content as written."""
        return asdict(self)

    def write(self, data_dir: Path) -> None:
        """Replace the file in one step; only this user can read it."""
        write_private(data_dir / RUN_FILE, json.dumps(self.as_json(), indent=2) + "\n")


def remove_run_file(data_dir: Path) -> None:
    """Nothing runs there any more."""
    (data_dir / RUN_FILE).unlink(missing_ok=True)
