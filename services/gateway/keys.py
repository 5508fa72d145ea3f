"""API keys in the database. A key is shown once, when it is made; only its SHA-256 is stored."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row

from services.gateway.pages import Page
from services.runtime import clock, ids
from services.runtime.errors import Refusal, invalid
from services.runtime.postgres import Pool, outage_refused

ROLES = ("user", "admin", "analyst")
_KEY = re.compile(r"scrip_(user|admin|analyst)_([0-9A-Za-z]{8})_[0-9A-Za-z]{32}", re.ASCII)
_COLUMNS = "key_id, role, account_id, name, created_at"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret. Keys of role user belong to an account, others to none."""

    key_id: str
    role: str
    account_id: str | None
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A key that was made now, with its text; or `text` None: by an earlier request with the same Idempotency-Key."""

    key: ApiKey
    text: str | None


def digest_of(text: str) -> str:
    """What is stored of a key: 190 random bits need no slow hash."""
    return hashlib.sha256(text.encode()).hexdigest()


def parts_of(text: str) -> tuple[str, str]:
    """Role and id of a key's text `scrip_<role>_<id8>_<32 base62>`; raises ValueError."""
    match = _KEY.fullmatch(text)
    if match is None:
        raise ValueError("a key looks like scrip_<user|admin|analyst>_<8 characters>_<32 characters>")
    return match.group(1), match.group(2)


class KeyStore:
    """Finds, makes and lists keys. Every method raises UPSTREAM_UNAVAILABLE while the database is down."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self, digest: str) -> ApiKey | None:
        """The key with this digest."""
        return await self._one(f"SELECT {_COLUMNS} FROM api_key WHERE digest = %s", (digest,))

    async def make(self, account_id: str, name: str, request_id: str | None) -> MadeKey:
        """A new key of role user for an account; raises REQUEST_ID_REUSED for another name under the same id."""
        key_id = ids.base62(8)
        text = f"scrip_user_{key_id}_{ids.base62(32)}"
        made = await self._one(
            "INSERT INTO api_key (key_id, digest, role, account_id, name, request_id, created_at)"
            " VALUES (%s, %s, 'user', %s, %s, %s, %s)"
            " ON CONFLICT ON CONSTRAINT a_request_makes_one_key DO NOTHING"
            f" RETURNING {_COLUMNS}",
            (key_id, digest_of(text), account_id, name, request_id, clock.now()),
        )
        if made:
            return MadeKey(made, text)
        earlier = await self._one(
            f"SELECT {_COLUMNS} FROM api_key WHERE account_id = %s AND request_id = %s", (account_id, request_id)
        )
        if earlier is None or earlier.name != name:
            raise Refusal("REQUEST_ID_REUSED", "this Idempotency-Key made a key with another name")
        return MadeKey(earlier, None)

    async def of_account(self, account_id: str, page: Page) -> tuple[list[ApiKey], str]:
        """An account's keys, newest first, and the token of the next page."""
        before, before_id = _read_token(page.token, account_id)
        async with outage_refused(), self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(ApiKey))
            await cursor.execute(
                f"SELECT {_COLUMNS} FROM api_key WHERE account_id = %s AND (created_at, key_id) < (%s, %s)"
                " ORDER BY created_at DESC, key_id DESC LIMIT %s",
                (account_id, before, before_id, page.size + 1),
            )
            found = await cursor.fetchall()
        shown = found[: page.size]
        return shown, _token(shown[-1]) if len(found) > page.size else ""

    async def _one(self, query: str, values: tuple[Any, ...]) -> ApiKey | None:
        async with outage_refused(), self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(ApiKey))
            await cursor.execute(query.encode(), values)
            return await cursor.fetchone()


def _token(last: ApiKey) -> str:
    return f"{last.account_id}.{clock.to_us(last.created_at)}.{last.key_id}"


def _read_token(token: str, account_id: str) -> tuple[datetime, str]:
    if not token:
        return datetime.max.replace(tzinfo=clock.EPOCH.tzinfo), ""
    account, _, rest = token.partition(".")
    micros, _, key_id = rest.partition(".")
    if account != account_id or not (micros.isascii() and micros.isdecimal()) or len(micros) > 17:
        raise invalid("page_token", "is not one that was given out for this list")
    return clock.from_us(int(micros)), key_id
