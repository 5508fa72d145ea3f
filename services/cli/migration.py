"""Bringing databases and NATS to this version: what `scrip migrate` and `scrip run` both do."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from services.cli.local.services import SERVICES
from services.runtime import migrations, topology

TOPOLOGY_SECONDS = 30


@dataclass(frozen=True)
class Migrated:
    """What was done; everything empty or False if all was up to date."""

    applied: dict[str, list[str]]
    """Service → the migration files applied now."""

    topology_declared: bool
    admin_key_made: bool


async def migrate_all(dsns: Mapping[str, str], nats_url: str | None, admin_key: str | None) -> Migrated:
    """Migrate these services' databases (service → the owner's DSN), then declare streams and consumers.

    `admin_key` becomes the gateway's first admin key if it has none, and needs the gateway's DSN.
    May be repeated; several at once wait for each other in the database.
    """
    applied = {}
    for name, dsn in dsns.items():
        applied[name] = await asyncio.to_thread(migrations.migrate, dsn, SERVICES[name].migrations)
    if nats_url is not None:
        async with asyncio.timeout(TOPOLOGY_SECONDS):
            await topology.declare(nats_url)
    made = False
    if admin_key is not None and "gateway" in dsns:
        # Only here, so that the other commands need not load what the gateway is made of.
        from services.gateway.bootstrap import ensure_admin_key

        made = await asyncio.to_thread(ensure_admin_key, dsns["gateway"], admin_key)
    return Migrated(applied, nats_url is not None, made)
