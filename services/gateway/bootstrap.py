"""The first admin key, made by `scrip migrate`: without one nobody could make any."""

import psycopg

from services.gateway.keys import digest_of, parts_of


def ensure_admin_key(dsn: str, key: str) -> bool:
    """Stores `key` as an admin key unless there is one; answers whether it did.

    `dsn` is the gateway's database after its migrations. Raises ValueError if `key` is not the text of an admin key.
    """
    role, key_id = parts_of(key)
    if role != "admin":
        raise ValueError(f"the first key must be of role admin, not {role}")
    with psycopg.connect(dsn, connect_timeout=10) as connection:
        # Two that start at once must not both find none.
        connection.execute("LOCK TABLE api_key IN SHARE ROW EXCLUSIVE MODE")
        made = connection.execute(
            "INSERT INTO api_key (key_id, digest, role, name)"
            " SELECT %s, %s, 'admin', 'bootstrap' WHERE NOT EXISTS (SELECT FROM api_key WHERE role = 'admin')",
            (key_id, digest_of(key)),
        )
        return made.rowcount == 1
