"""TCP ports on 127.0.0.1: fixed ones that must be free, and free ones that stay ours for a run.

Free ports are taken below the range that the system uses for outgoing connections: one from within
that range could be in use as a client's port at the moment when a service is started again.
"""

import socket
from contextlib import ExitStack

from services.cli.local.errors import LocalError
from services.runtime import ids

HOST = "127.0.0.1"
FREE_FIRST, FREE_LAST = 12_000, 30_000
ATTEMPTS = 1_000


def free_ports(count: int) -> list[int]:
    """Different ports on which nobody listens now."""
    found: list[int] = []
    with ExitStack() as held:
        for _ in range(ATTEMPTS):
            if len(found) == count:
                return found
            port = FREE_FIRST + int(ids.fraction() * (FREE_LAST - FREE_FIRST))
            if (taken := try_bind(port)) is not None:
                held.enter_context(taken)
                found.append(port)
    raise LocalError(f"There are no {count} free TCP ports between {FREE_FIRST} and {FREE_LAST}.")


def check_free(ports: dict[str, int]) -> None:
    """Raise LocalError naming the first port that somebody listens on. `ports` is purpose → port."""
    for purpose, port in ports.items():
        bound = try_bind(port)
        if bound is None:
            raise LocalError(f"Port {port} ({purpose}) is taken; choose another with --port (0 = any free ports).")
        bound.close()


def try_bind(port: int) -> socket.socket | None:
    """A socket bound to the port, or None. The option lets a port in TIME_WAIT count as free."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((HOST, port))
        # Two sockets with the option may share a port until one of them listens.
        bound.listen(1)
    except OSError:
        bound.close()
        return None
    return bound
