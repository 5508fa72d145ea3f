"""The accounts that were opened through the gateway, to list them; what they hold is the ledger's to say."""

from dataclasses import dataclass
from datetime import datetime

from services.gateway.pages import Page
from services.runtime import clock
from services.runtime.errors import invalid
from services.runtime.postgres import Pool, outage_refused


@dataclass(frozen=True, slots=True)
class OpenedAccount:
    """An account, and when it was opened."""

    account_id: str
    created_at: datetime


class AccountStore:
    """Remembers and lists. Every method raises UPSTREAM_UNAVAILABLE while the database is down."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def remember(self, opened: OpenedAccount) -> None:
        """Adds an account, unless it is there."""
        async with outage_refused(), self._pool.connection() as connection:
            await connection.execute(
                "INSERT INTO account (account_id, created_at) VALUES (%s, %s) ON CONFLICT DO NOTHING",
                (opened.account_id, opened.created_at),
            )

    async def page(self, page: Page) -> tuple[list[str], str]:
        """Account ids, the newest account first, and the token of the next page."""
        before, before_id = _read_token(page.token)
        async with outage_refused(), self._pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT account_id, created_at FROM account WHERE (created_at, account_id) < (%s, %s)"
                " ORDER BY created_at DESC, account_id DESC LIMIT %s",
                (before, before_id, page.size + 1),
            )
            found: list[tuple[str, datetime]] = await cursor.fetchall()  # type: ignore[assignment]
        shown = found[: page.size]
        token = f"{clock.to_us(shown[-1][1])}.{shown[-1][0]}" if len(found) > page.size else ""
        return [account_id for account_id, _ in shown], token


def _read_token(token: str) -> tuple[datetime, str]:
    if not token:
        return datetime.max.replace(tzinfo=clock.EPOCH.tzinfo), ""
    micros, _, account_id = token.partition(".")
    if not (micros.isascii() and micros.isdecimal()) or len(micros) > 17:
        raise invalid("page_token", "is not one that was given out for this list")
    return clock.from_us(int(micros)), account_id
