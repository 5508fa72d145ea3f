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
    file_bytes_max: int = Field(default=2 * 1024**3, ge=1, le=2 * 1024**3, description="bytes of an uploaded file")
    file_account_bytes_max: int = Field(
        default=20 * 1024**3, ge=1, description="bytes of all files of an account that are kept at one time"
    )
    file_hours: int = Field(
        default=24, ge=1, le=24 * 30, description="how long an uploaded file is kept after it was last used"
    )
