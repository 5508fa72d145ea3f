"""As whom PostgreSQL runs. It refuses root, and nobody should need a second account for a trial.

Not root: as the caller. Root: as uid 1000 of a user namespace, which outside is still root, so a
data directory under a 0700 home works. Where namespaces are refused (some containers): as another
user of the machine, who then has to be able to reach the programs and the data directory.
"""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from services.cli.local.errors import LocalError
from services.cli.local.spawn import guarded

PROBE_SECONDS = 10
OTHER_USERS = ("postgres", "nobody")


@dataclass(frozen=True)
class Identity:
    """Who a child process is. `shim` is the shim's word for it; uid and gid own its files."""

    shim: str
    uid: int
    gid: int
    name: str

    def own(self, path: Path) -> None:
        """Give a file or folder (not what is in it) to this identity, if it is another user's."""
        status = path.stat()
        if self.shim.startswith("user:") and (status.st_uid, status.st_gid) != (self.uid, self.gid):
            os.chown(path, self.uid, self.gid)


def choose(program: Path, folder: Path) -> Identity:
    """The identity that can run `program` with its data in the existing `folder`."""
    if os.geteuid() != 0:
        return Identity("same", os.geteuid(), os.getegid(), "this user")
    refusal = probe(["/bin/sh", "-c", "exit 0"], "namespace")
    if refusal is None:
        return Identity("namespace", 0, 0, "uid 1000 of a user namespace")
    return other_user(program, folder, refusal)


def other_user(program: Path, folder: Path, refusal: str) -> Identity:
    """The first usual account that can run the program and reach the folder, else an error."""
    for name in OTHER_USERS:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        identity = Identity(f"user:{account.pw_uid}:{account.pw_gid}", account.pw_uid, account.pw_gid, name)
        reachable = probe(["/bin/sh", "-c", 'cd "$1"', "sh", str(folder.parent)], identity.shim)
        if probe([str(program), "--version"], identity.shim) is None and reachable is None:
            return identity
    raise LocalError(
        "PostgreSQL refuses to run as root, and here it cannot run otherwise "
        f"({refusal}; neither {' nor '.join(OTHER_USERS)} can reach {program} and {folder}). "
        "Run the same command as a user who is not root, or put the project and --data-dir "
        "where every user can read them."
    )


def probe(argv: list[str], identity: str) -> str | None:
    """Why a command fails as that identity; None when it succeeds."""
    try:
        done = subprocess.run(
            guarded(argv, identity),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd="/",
            timeout=PROBE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {PROBE_SECONDS} seconds"
    if done.returncode == 0:
        return None
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"exit status {done.returncode}"
