"""What the gateway is told at start."""

from pydantic import Field

from services.runtime.settings import Address, Addresses, ServiceSettings


class Settings(ServiceSettings):
    """The gateway's settings; each is `SCRIP_<NAME>` or `SCRIP_<NAME>_FILE`."""

    http_listen: Address = Field(description="host:port of the HTTP door")
    catalog_address: Address = Field(description="host:port of the catalog's gRPC server")
    ledger_address: Addresses = Field(description="host:port of each of the ledger's gRPC servers, with commas between")
    executor_address: Address = Field(description="host:port of the executor's gRPC server")
    analytics_address: Address = Field(description="host:port of the analytics' gRPC server")
    account_rate_per_minute: int = Field(
        default=0, ge=0, le=1_000_000, description="executions an account may start in a minute, over all tools; 0: any"
    )
