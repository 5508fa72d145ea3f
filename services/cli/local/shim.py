"""Becomes another program, after tying its life to the parent's and, if asked, changing who it is.

Run as `python -I -S shim.py PARENT_PID IDENTITY PROGRAM [ARGUMENT…]`; IDENTITY is `same`,
`namespace` (uid 1000 in a user namespace of its own) or `user:UID:GID`. It execs, so the process id
the parent knows is the program's. A separate program, and not a `preexec_fn`, because running Python
between fork and exec of a threaded parent can deadlock. Standard library only: it starts in
milliseconds and must not depend on what is installed.

Exit status 125: the identity could not be taken, the reason is on stderr.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
FAILED = 125


def fail(message: str) -> NoReturn:
    """End with one line on stderr."""
    sys.stderr.write(f"{message}\n")
    sys.exit(FAILED)


def enter_user_namespace(libc: ctypes.CDLL) -> None:
    """Become uid and gid 1000 of a new user namespace, which outside is still this user.

    PostgreSQL refuses effective uid 0 and nothing else, so root can run it without a second account,
    and files stay root's own.
    """
    if libc.unshare(CLONE_NEWUSER) != 0:
        fail(f"user namespaces are refused here: {os.strerror(ctypes.get_errno())}")
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text("1000 0 1")
        Path("/proc/self/gid_map").write_text("1000 0 1")
    except OSError as error:
        fail(f"user namespaces are refused here: {error}")


def become_user(uid: int, gid: int) -> None:
    """Give up root for another user of the machine."""
    try:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    except OSError as error:
        fail(f"cannot become user {uid}: {error}")


def main(arguments: list[str]) -> None:
    """Take the identity, arm the parent-death signal, exec."""
    parent, identity, program = int(arguments[0]), arguments[1], arguments[2:]
    libc = ctypes.CDLL(None, use_errno=True)
    if identity == "namespace":
        enter_user_namespace(libc)
    elif identity.startswith("user:"):
        uid, gid = identity.removeprefix("user:").split(":")
        become_user(int(uid), int(gid))
    if sys.platform == "linux":
        # After the change of user, which clears it. The exec keeps it.
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            # The parent died before the line above and will never be reported.
            sys.exit(FAILED)
    # Python ignores these two, and an ignored signal stays ignored through exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    try:
        os.execv(program[0], program)  # noqa: S606 (to become that program is what this one is for)
    except OSError as error:
        fail(f"cannot run {program[0]}: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
