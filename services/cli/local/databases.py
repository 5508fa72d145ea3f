"""Roles and databases in an embedded PostgreSQL: one of each per service, closed to the others.

In a cluster the operator makes the same; the migrations then grant to these roles by name.
"""

import psycopg
from psycopg import sql

from services.cli.local.postgres import Cluster
from services.cli.local.services import ANALYST, ANALYST_DATABASE, ROLES, SERVICES

CONNECT_SECONDS = 10


def prepare(cluster: Cluster, passwords: dict[str, str]) -> None:
    """Make what is missing of the roles and databases. May be repeated at every start.

    `passwords` is role → password for every name in ROLES; roles that exist get theirs again.
    """
    create_roles(cluster, passwords)
    for service in SERVICES.values():
        create_database(cluster, service.database, service.name)
    with owner(cluster) as connection:
        connection.execute("REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC")


def create_roles(cluster: Cluster, passwords: dict[str, str]) -> None:
    """The services' roles and the analyst's, which can log in and own nothing."""
    with owner(cluster) as connection:
        for role in ROLES:
            known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
            verb = sql.SQL("ALTER" if known else "CREATE")
            connection.execute(
                sql.SQL("{} ROLE {} LOGIN NOSUPERUSER PASSWORD {}").format(
                    verb, sql.Identifier(role), sql.Literal(passwords[role])
                )
            )


def create_database(cluster: Cluster, name: str, service: str, *, template: str | None = None) -> None:
    """A database that the service's role may enter, and no other role; analytics' also the analyst.

    It exists afterwards whether or not it did before. `template` is a database to copy, which nobody
    may be connected to (tests copy a migrated one in milliseconds).
    """
    roles = [SERVICES[service].database]
    if SERVICES[service].database == ANALYST_DATABASE:
        roles.append(ANALYST)
    database = sql.Identifier(name)
    with owner(cluster) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if not known:
            source = sql.Identifier(template or "template1")
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(database, source))
        connection.execute(sql.SQL("REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC").format(database))
        connection.execute(
            sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(
                database, sql.SQL(", ").join(map(sql.Identifier, roles))
            )
        )


def drop_database(cluster: Cluster, name: str) -> None:
    """Remove a database with everything in it, ending the sessions that use it."""
    with owner(cluster) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def owner(cluster: Cluster) -> psycopg.Connection:
    """A superuser's connection without a transaction, as CREATE DATABASE needs."""
    return psycopg.connect(cluster.owner_dsn(), autocommit=True, connect_timeout=CONNECT_SECONDS)
