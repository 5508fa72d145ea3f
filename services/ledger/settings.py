"""The ledger's settings: what every service is given, and who the other replicas are."""

from typing import Self

from pydantic import Field, model_validator

from services.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """Shards and their number are in the database."""

    replicas: str = Field(
        default="", description="host:port of every replica as clients have them, comma-separated; empty: only this one"
    )
    replica: str = Field(default="", description="this replica's own host:port among them")

    @model_validator(mode="after")
    def _is_one_of_them(self) -> Self:
        if self.replicas and self.replica not in self.replica_list:
            raise ValueError(f"SCRIP_REPLICA={self.replica} must be one of SCRIP_REPLICAS={self.replicas}")
        return self

    @property
    def replica_list(self) -> list[str]:
        """Every replica's address."""
        return [address.strip() for address in self.replicas.split(",") if address.strip()]
