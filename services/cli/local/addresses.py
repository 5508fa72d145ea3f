"""Where everything listens in one local run."""

from dataclasses import dataclass

from services.cli.local.ports import HOST, check_free, free_ports
from services.cli.local.services import SERVICES

PORT_MAX = 65_535


@dataclass(frozen=True)
class Addresses:
    """Ports on 127.0.0.1, chosen once and kept for the life of a run."""

    http: int
    grpc: dict[str, int]
    ops: dict[str, int]
    postgres: int
    nats: int
    nats_monitoring: int

    @property
    def http_url(self) -> str:
        """The gateway's address for people and apps."""
        return f"http://{HOST}:{self.http}"

    def grpc_address(self, service: str) -> str:
        """host:port of a service's gRPC server."""
        return f"{HOST}:{self.grpc[service]}"

    def ops_address(self, service: str) -> str:
        """host:port of a service's metrics and readiness pages."""
        return f"{HOST}:{self.ops[service]}"


def choose_addresses(port: int) -> Addresses:
    """HTTP on `port` and gRPC on the five after it, or on any free ones if it is 0; the rest anywhere.

    Raises LocalError naming a port that is taken.
    """
    wanted = len(SERVICES) + 3 + (1 + len(SERVICES) if port == 0 else 0)
    free = iter(free_ports(wanted))
    if port == 0:
        http, grpc = next(free), {name: next(free) for name in SERVICES}
    else:
        http, grpc = port, {service.name: port + service.port_offset for service in SERVICES.values()}
        check_free({"HTTP": http} | {f"gRPC of {name}": number for name, number in grpc.items()})
    ops = {name: next(free) for name in SERVICES}
    return Addresses(http, grpc, ops, postgres=next(free), nats=next(free), nats_monitoring=next(free))
