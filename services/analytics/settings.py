"""What the analytics service is given by its environment."""

from pydantic import Field

from services.runtime.settings import Address, ServiceSettings


class Settings(ServiceSettings):
    """The common settings and the owners of the logs that are followed."""

    service_token: str = Field(min_length=1, description="own token for calling the owners of the logs")
    ledger_address: Address = Field(description="host:port of the ledger's gRPC server")
    catalog_address: Address = Field(description="host:port of the catalog's gRPC server")
    executor_address: Address = Field(description="host:port of the executor's gRPC server")
