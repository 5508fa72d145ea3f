"""What one call takes at most."""

from pydantic import Field

from services.catalog.manifests.part import Part

# What a call is given at once (services/executor/running/inputs.py); beyond some MiB only by files uploaded before.
INPUT_BYTES_MAX = 64 * 1024 * 1024
UNITS_MAX = 1_000_000_000


class LimitsPart(Part):
    """What one call takes at most."""

    input_bytes: int = Field(ge=1, le=INPUT_BYTES_MAX, description="bytes of the input with its files")
    units: int = Field(default=0, ge=0, le=UNITS_MAX, description="units of one call; 0: no bound of its own")
    timeout_ms: int = Field(ge=1, le=3_600_000, description="milliseconds a call may take")
    rate_per_hour: int = Field(default=0, ge=0, le=1_000_000, description="executions an hour and account; 0: any")
    concurrency: int = Field(default=0, ge=0, le=10_000, description="jobs of an account that run at once; 0: any")
