"""Databases for tests: one PostgreSQL a session, one migrated template a service, a copy a test."""

import itertools
from dataclasses import dataclass

import psycopg
from psycopg import sql

from services.cli.local import credentials, databases, postgres
from services.cli.local.services import SERVICES
from services.runtime import migrations


@dataclass(frozen=True)
class Database:
    """A fresh database of one service."""

    service: str
    name: str
    dsn: str
    """As the service's own role."""
    owner_dsn: str
    """As the superuser."""
    analyst_dsn: str
    """As the analyst; of use in analytics' database only."""


class Databases:
    """Makes databases and takes them away again."""

    def __init__(self, server: postgres.Server) -> None:
        self._cluster = server.cluster
        self._passwords = credentials.draw().postgres
        databases.create_roles(self._cluster, self._passwords)
        self._templates: set[str] = set()
        self._numbers = itertools.count(1)

    def create(self, service: str) -> Database:
        """A copy of the service's migrated template."""
        template = f"template_{service}"
        if service not in self._templates:
            databases.create_database(self._cluster, template, service)
            migrations.migrate(self._cluster.owner_dsn(template), SERVICES[service].migrations)
            self._templates.add(service)
        name = f"{service}_{next(self._numbers)}"
        databases.create_database(self._cluster, name, service, template=template)
        role = SERVICES[service].database
        return Database(
            service=service,
            name=name,
            dsn=self._cluster.role_dsn(role, self._passwords[role], name),
            owner_dsn=self._cluster.owner_dsn(name),
            analyst_dsn=self._cluster.role_dsn("analyst", self._passwords["analyst"], name),
        )

    def drop(self, database: Database) -> None:
        """Removes it, whoever is connected."""
        databases.drop_database(self._cluster, database.name)

    def disconnect(self, database: Database) -> None:
        """Ends every session of the database, as a restart of the server would."""
        with psycopg.connect(self._cluster.owner_dsn(), autocommit=True) as connection:
            connection.execute(
                sql.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}").format(
                    sql.Literal(database.name)
                )
            )
