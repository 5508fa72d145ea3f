"""How every child of `scrip run` is started: it dies with its parent, even after `kill -9`.

The kernel sends the parent-death signal when the *thread* that started the child ends, so children
must be started from a thread that lives as long as they should: the main one, or the event loop's.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from services.cli.local.errors import LocalError

SHIM = Path(__file__).with_name("shim.py")


def guarded(argv: Sequence[str], identity: str = "same") -> list[str]:
    """The command line that runs `argv` through the shim.

    `identity` is what `identity.py` chose: `same`, `namespace` or `user:UID:GID`. Outside Linux there
    is no parent-death signal, and `same` needs no shim.
    """
    program = shutil.which(argv[0])
    if program is None:
        raise LocalError(f"The program {argv[0]} does not exist or cannot be executed.")
    if identity == "same" and sys.platform != "linux":
        return [program, *argv[1:]]
    shim = [sys.executable, "-I", "-S", str(SHIM), str(os.getpid()), identity]
    return [*shim, program, *argv[1:]]
