"""What the catalog is told by its environment."""

from pathlib import Path

from pydantic import Field

from services.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """The catalog's settings."""

    quote_keys_file: Path = Field(
        description="keys that quotes are signed with, base64 of at least 32 bytes a line; the first signs, all verify"
    )
