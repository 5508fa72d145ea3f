"""The services, in one table: who calls whom, who is given what, and in which order they start."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Service:
    """One service as the stack sees it."""

    name: str
    port_offset: int
    """Its gRPC port in `scrip run` is the HTTP port plus this."""

    calls: tuple[str, ...] = ()
    """Services it calls over gRPC: it gets their addresses, and a token of its own."""

    settings: tuple[str, ...] = ()
    """How the names of those of its settings begin that whoever runs it locally may give."""

    drain_seconds: float = 20.0
    """How long it may take to end when it is asked to."""

    @property
    def database(self) -> str:
        """Its database, which is also the name of its role."""
        return f"scrip_{self.name}"

    @property
    def migrations(self) -> str:
        """The package with its migrations."""
        return f"services.{self.name}.migrations"

    @property
    def module(self) -> str:
        """What `python -m` starts."""
        return f"services.{self.name}"


SERVICES = {
    service.name: service
    for service in (
        Service(
            "gateway",
            1,
            calls=("ledger", "catalog", "executor", "analytics"),
            settings=("SCRIP_ACCOUNT_RATE_PER_MINUTE", "SCRIP_FILE_"),
        ),
        Service("catalog", 2),
        Service("ledger", 3),
        Service(
            "executor",
            4,
            calls=("ledger", "catalog"),
            settings=(
                *("SCRIP_DRAIN_", "SCRIP_FILES_MEMORY_", "SCRIP_INDETERMINATE_", "SCRIP_JOB_", "SCRIP_LEASE_"),
                *("SCRIP_PROVIDER_", "SCRIP_RECONCILE_", "SCRIP_SECRET_", "SCRIP_WEBHOOK_", "SCRIP_WORKER"),
            ),
            # Calls that must not be made twice end first; a second Ctrl-C does not wait for them.
            drain_seconds=640.0,
        ),
        Service("analytics", 5, calls=("ledger", "catalog", "executor")),
    )
}

STOP_ORDER = (("gateway",), ("executor", "analytics"), ("ledger", "catalog"))
"""Groups stop one after the other, inside a group together: whoever calls goes before whom it calls."""

ANALYST = "analyst"
ANALYST_DATABASE = SERVICES["analytics"].database

ROLES = (*(service.database for service in SERVICES.values()), ANALYST)
"""Every PostgreSQL role that the migrations' grants name."""
