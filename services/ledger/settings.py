"""The ledger's settings: what every service is given."""

from services.runtime.settings import ServiceSettings


class Settings(ServiceSettings):
    """Nothing of its own: shards and their number are in the database."""
