"""How a service's process is started: forked from a process that has imported it, where that can be."""

import functools
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.cli.local.spawn import guarded
from tests.harness import zygote
from tests.harness.zygote import Copy, Zygote

Process = subprocess.Popen[bytes] | Copy

_zygote = functools.cache(Zygote)


def start_module(module: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Process:
    """Runs a module as `python -m` does, in a session of its own, its output appended to a log."""
    if zygote.IS_POSSIBLE:
        return _zygote().start(module, arguments, environment, log)
    with log.open("ab") as file:
        return subprocess.Popen(
            guarded([sys.executable, "-m", module, *arguments]),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
